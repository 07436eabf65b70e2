"""New lines after a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.domains.spelling import decoded, encoded, spelled
from metagan.training.adapted_generator import adapt_generator, joined
from metagan.training.gan import load_gan
from metagan.training.saved import GanHeader, GeneratorHeader, SavedModel

DRAWN = 3
"""Lines that are drawn for each that is given, of which as many new ones are kept."""


class NewLines(NamedTuple):
    """Different lines that were not given, all that were drawn (N, C, 1, L), which share of those is new, and what drew
    them, in as many parts as the given ones were adapted to in."""

    lines: list[str]
    drawn: Tensor
    share_new: float
    generator: SavedModel[GeneratorHeader]


def new_lines(
    meta_model: SavedModel[GanHeader], given: Sequence[str], steps: int, seed: int, temperature: float = 1.0
) -> NewLines:
    """As many as are given, or what was drawn of them; `given` are lines as `spelled` gives them. `temperature` is a
    multiple of the model's own.

    The model adapts to at most as many lines as its training had, so that more are shared out among several
    adaptations, at random.
    """
    gan = load_gan(meta_model, "meta_model")
    order = np.random.default_rng(seed).permutation(len(given))
    parts = np.array_split(order, -(-len(given) // gan.shots_of(len(given))))
    generators, drawn = [], []
    for number, part in enumerate(parts):
        support = gan.domain.to_tensor(encoded([given[i] for i in part]))
        generator, samples = adapt_generator(
            meta_model, support, steps, DRAWN * len(part), seed + number, progress=False, temperature=temperature
        )
        generators.append(generator)
        drawn.append(samples[-1])
    examples, known = torch.cat(drawn), set(given)
    new = [line for line in decoded(gan.domain.to_stored(examples)) if line.strip() and spelled(line) not in known]
    mixed = np.random.default_rng(seed + 1).permutation(len(new))
    lines = list(dict.fromkeys(new[i] for i in mixed))[: len(given)]
    return NewLines(lines, examples, len(new) / len(examples), joined(generators))
