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
from metagan.meta.learners import TaskTensors
from metagan.parameters import Continual, MetaTrain
from metagan.tasks.streams import TaskStream

Memory: TypeAlias = dict[str, Tensor]
"""What is kept, by name. `replayed` (M, n, ...) are examples of M classes, as a bank stores them, that are replayed."""
REPLAYED = "replayed"


@dataclass(frozen=True)
class Segment:
    """A segment of a stream that has just been trained on, and what was trained.

    `indices` are its tasks. `gradient` gives the meta-gradient of one task of the stream; `draw` samples (C, n, ...)
    in [0, 1] of the model so far, adapted to images (C, K, ...). `number` counts from 0.
    """

    stream: TaskStream
    indices: range
    number: int
    settings: Continual
    training: MetaTrain
    meta_parameters: Parameters
    gradient: Callable[[int], Parameters]
    draw: Callable[[Tensor, int], Tensor]

    @property
    def generator(self) -> np.random.Generator:
        """Random numbers of the segment."""
        return np.random.default_rng((self.stream.seed, 23, self.number))

    @property
    def images_of_a_task(self) -> int:
        """Support and query images at most."""
        return self.training.k_shot + self.training.n_query

    def classes(self, count: int) -> list[Tensor]:
        """The images (K + Q, C, H, W) of `count` tasks, or fewer, of different classes, as drawn with most of them."""
        found: dict[int, Tensor] = {}
        for index in self.generator.permutation(self.indices):
            if len(found) == count:
                break
            task = self.stream.generation_task("train", int(index), self.training.k_shot, self.training.n_query)
            found.setdefault(task.class_index, torch.cat([task.support, task.query]))
        return list(found.values())


class Kind(NamedTuple):
    """`remember(memory, seen)` is the memory after a segment. `penalty(memory, meta-parameters, settings)` is added to
    the loss of every task."""

    remember: Callable[[Memory, Segment], Memory]
    penalty: Callable[[Memory, Parameters, Continual], Tensor] | None = None


def stored(domain: Domain, images: Tensor) -> Tensor:
    """Examples in [0, 1] as a bank stores them."""
    return torch.from_numpy(np.array(domain.to_stored(images)))


def with_replay(
    tasks: TaskTensors, pool: Tensor, places: list[int], domain: Domain, generator: np.random.Generator
) -> TaskTensors:
    """The tasks, those at `places` with support and query images of classes of the pool (M, n, ...) instead."""
    support, query = tasks["support"].clone(), tasks["query"].clone()
    k_shot, size = support.shape[1], support.shape[1] + query.shape[1]
    for place in places:
        images = pool[generator.integers(len(pool))].numpy()
        chosen = domain.to_tensor(images[generator.permutation(len(images))[:size]]).to(support)
        support[place], query[place] = chosen[:k_shot], chosen[k_shot:]
    return {**tasks, "support": support, "query": query}
