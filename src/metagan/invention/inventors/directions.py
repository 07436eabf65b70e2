"""An adapted generator, moved along the directions in which adapted generators differ."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metagan.invention.inventors.base import Draft, Studio
from metagan.parameters import Invent


def directions(studio: Studio, settings: Invent, count: int, generator: np.random.Generator) -> list[Draft]:
    """One parent, and a normal number of standard deviations along each of the first principal components of all."""
    wanted = settings.directions
    spread = principal_spread(studio.codes, wanted.components)
    drafts = []
    for _ in range(count):
        (place,) = studio.chosen(1, generator)
        deviations = wanted.deviations * torch.from_numpy(generator.standard_normal(len(spread))).float()
        code = studio.codes[place] + deviations @ spread
        way = f"moved by {deviations.norm():.2f} standard deviations along {len(spread)} components"
        drafts.append(Draft(studio.draw(code, generator), studio.named([place]), (1.0,), way))
    return drafts


def principal_spread(codes: Tensor, components: int) -> Tensor:
    """Of codes (T, D) the first principal components, each as long as the codes' standard deviation along it: (P, D).

    Through the products of the codes with each other, T x T, as D is large.
    """
    centred = codes - codes.mean(0)
    values, vectors = torch.linalg.eigh((centred @ centred.T).double())
    kept = values.flip(0)[:components] > 1e-9 * values[-1]
    return (vectors.flip(1)[:, :components][:, kept].T.float() @ centred) / (len(codes) - 1) ** 0.5
