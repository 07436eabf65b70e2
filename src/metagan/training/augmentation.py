"""Samples of one class of any number of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch import Tensor

from metagan.training.adapted_generator import adapt_generator, draw
from metagan.training.saved import GanHeader, SavedModel, Shots

AT_ONCE = 256


class Batch(NamedTuple):
    """Samples (n, C, H, W) in [0, 1], the numbers of the pictures that their generator was adapted to, and its seed:
    what `adapt_generator` and `draw` need to make them again."""

    samples: Tensor
    sources: tuple[int, ...]
    seed: int


def samples_of_class(
    meta_model: SavedModel[GanHeader], pictures: Tensor, steps: int, n: int, seed: tuple[int, ...]
) -> Iterator[Batch]:
    """`n` samples of the class that pictures (K, C, H, W) in [0, 1] show, in batches that are adapted one by one.

    A class of more pictures than the model was trained with is dealt into groups, which take turns. Other `seed`s give
    other samples. Raises UserError when the adaptation diverges.
    """
    groups = groups_of(len(pictures), meta_model.header.shots)
    rounds = -(-n // (AT_ONCE * len(groups)))
    batches = min(n, rounds * len(groups))
    for number in range(batches):
        sources = groups[number % len(groups)]
        own_seed = int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])
        adapted, _ = adapt_generator(
            meta_model, pictures[list(sources)], steps, 1, own_seed, progress=False, parameter="augment.steps"
        )
        yield Batch(draw(adapted, n // batches + (number < n % batches), own_seed), sources, own_seed)


def groups_of(count: int, shots: Shots) -> list[tuple[int, ...]]:
    """The numbers below `count` in groups of nearly one size: as few as there can be of at most `shots.most`, but none
    below `shots.fewest`, where both is possible."""
    number = max(1, min(-(-count // shots.most), count // shots.fewest))
    return [tuple(range(first, count, number)) for first in range(number)]
