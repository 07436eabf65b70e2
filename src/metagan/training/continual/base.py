"""The contract of what a training does against forgetting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.meta.differentiation import Parameters
from metagan.parameters import Continual
from metagan.tasks.sampling import Episode

Memory: TypeAlias = dict[str, Tensor]
"""What is kept, by name. `replayed` (M, n, ...) are examples of M classes that are replayed, as a bank stores them, and
`segments` (M,) says of which segment each is."""
REPLAYED, SEGMENTS = "replayed", "segments"
_CHOICE = 23


@dataclass(frozen=True)
class Segment:
    """A segment of a stream that has just been trained on, and what was trained; `number` counts from 0.

    `indices` are its tasks, and `seen` gives one of them with as many images as a task may have; `gradient` gives the
    meta-gradient of one task, `draw` samples (C, n, ...) in [0, 1] of the model so far, adapted to images (C, K, ...).
    """

    number: int
    indices: range
    seed: int
    domain: Domain
    settings: Continual
    meta_parameters: Parameters
    seen: Callable[[int], Episode]
    gradient: Callable[[int], Parameters]
    draw: Callable[[Tensor, int], Tensor]

    @property
    def generator(self) -> np.random.Generator:
        """Random numbers of the segment."""
        return np.random.default_rng((self.seed, _CHOICE, self.number))

    def classes(self, count: int) -> Tensor:
        """The images (count, K + Q, ...) in [0, 1] of different classes that were seen, or fewer where they were."""
        found: dict[int, Tensor] = {}
        for index in self.generator.permutation(self.indices):
            task = self.seen(int(index))
            for class_index, images in zip(task.class_indices, torch.cat([task.support, task.query], 1), strict=True):
                found.setdefault(class_index, images)
            if len(found) >= count:
                break
        return torch.stack(list(found.values())[:count])


class Kind(NamedTuple):
    """`remember(memory, segment)` is the memory after a segment. `penalty(memory, meta-parameters, settings)` is added
    to the loss of every task."""

    remember: Callable[[Memory, Segment], Memory]
    penalty: Callable[[Memory, Parameters, Continual], Tensor] | None = None


def stored(domain: Domain, images: Tensor) -> Tensor:
    """Examples in [0, 1] as a bank stores them."""
    return torch.from_numpy(np.array(domain.to_stored(images)))


def appended(memory: Memory, name: str, more: Tensor) -> Tensor:
    """What is kept by a name, with more of it."""
    return torch.cat([memory[name], more]) if name in memory else more
