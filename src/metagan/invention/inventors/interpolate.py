"""A mix of the adapted generators of two or three classes."""

from __future__ import annotations

import numpy as np
import torch

from metagan.invention.inventors.base import Draft, Studio
from metagan.parameters import Invent


def interpolate(studio: Studio, settings: Invent, count: int, generator: np.random.Generator) -> list[Draft]:
    """Every parent has `least_share` at least; what is left is dealt out evenly at random."""
    number, least = settings.interpolate.parents, settings.interpolate.least_share
    drafts = []
    for _ in range(count):
        places = studio.chosen(number, generator)
        weights = least + (1 - number * least) * generator.dirichlet(np.ones(number))
        code = torch.from_numpy(weights).float() @ studio.codes[places]
        drafts.append(Draft(studio.draw(code, generator), studio.named(places), tuple(weights), "mix"))
    return drafts
