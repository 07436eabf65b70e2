"""New lines after a person's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from metagan.domains.spelling import decoded, encoded, spelled
from metagan.training.adapted_generator import adapt_generator
from metagan.training.gan import load_gan
from metagan.training.saved import GanHeader, SavedModel

DRAWN = 3
"""Lines that are drawn for each that is given, of which as many new ones are kept."""


class NewLines(NamedTuple):
    """Different lines that were not given, how many were drawn and which share of those is new, and in how many parts
    the given ones were adapted to."""

    lines: list[str]
    drawn: int
    share_new: float
    parts: int


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
    drawn: list[str] = []
    for number, part in enumerate(parts):
        support = gan.domain.to_tensor(encoded([given[i] for i in part]))
        _, samples = adapt_generator(
            meta_model, support, steps, DRAWN * len(part), seed + number, progress=False, temperature=temperature
        )
        drawn += decoded(gan.domain.to_stored(samples[-1]))
    known = set(given)
    new = [line for line in drawn if line.strip() and spelled(line) not in known]
    mixed = np.random.default_rng(seed + 1).permutation(len(new))
    lines = list(dict.fromkeys(new[i] for i in mixed))[: len(given)]
    return NewLines(lines, len(drawn), len(new) / len(drawn), len(parts))
