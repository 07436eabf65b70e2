"""The contract of a stream of tasks, the plain stream of a bank, and what wraps another stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from metagan.domains import Domain
from metagan.errors import UserError
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.sampling import Episode, GenerationTask, episode, generation_task, generator_of


class TaskStream(Protocol):
    """Draws task `index` of a split, the same whenever and wherever it is asked.

    `name` tells it from every other stream of tasks, for the fingerprint of what is trained on it.
    """

    @property
    def bank(self) -> TaskBank: ...

    @property
    def seed(self) -> int: ...

    @property
    def name(self) -> str: ...

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        """See `tasks.sampling.generation_task`."""

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        """See `tasks.sampling.episode`."""


@dataclass(frozen=True)
class BankStream:
    """The classes of a bank, or some of them, as they are."""

    bank: TaskBank
    seed: int
    class_indices: ClassIndices | None = None

    @property
    def name(self) -> str:
        return self.bank.content_hash

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        return generation_task(self.bank, split, self.seed, index, k_shot, n_query, self.class_indices)

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        return episode(self.bank, split, self.seed, index, n_way, k_shot, n_query, self.class_indices)


@dataclass(frozen=True)
class InTurn:
    """A task of the first stream, one of the second, and so on, and of the first again; all of one bank and seed."""

    streams: tuple[BankStream, ...]

    @property
    def bank(self) -> TaskBank:
        return self.streams[0].bank

    @property
    def seed(self) -> int:
        return self.streams[0].seed

    @property
    def name(self) -> str:
        return f"{self.bank.content_hash}/in {len(self.streams)} turns"

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        """Each stream goes through all its classes."""
        return self._turn(index).generation_task(split, index // len(self.streams), k_shot, n_query)

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        return self._turn(index).episode(split, index, n_way, k_shot, n_query)

    def _turn(self, index: int) -> BankStream:
        return self.streams[index % len(self.streams)]


@dataclass(frozen=True)
class Wrapper(ABC):
    """A stream whose tasks are those of another, changed; a generation task is an episode of one way.

    Only train classes may be changed: what is measured on val and test classes must be real. `key` keeps the random
    numbers of a wrapper apart from those of all others.
    """

    stream: TaskStream
    key: ClassVar[int]

    def __post_init__(self) -> None:
        if not self.fits(self.bank.domain):
            name, domain = type(self).__name__.lower(), self.bank.example.domain
            raise UserError(f"stream: {name} has no meaning for the domain {domain}: leave it out")

    def fits(self, domain: Domain) -> bool:
        """Whether the wrapper has a meaning for the domain."""
        return True

    @abstractmethod
    def changed(self, drawn: Episode, generator: np.random.Generator) -> Episode:
        """The episode, changed by random numbers of its own."""

    @property
    def bank(self) -> TaskBank:
        return self.stream.bank

    @property
    def seed(self) -> int:
        return self.stream.seed

    @property
    def name(self) -> str:
        return f"{self.stream.name}/{type(self).__name__}"

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        self._check(split)
        task = self.stream.generation_task(split, index, k_shot, n_query)
        drawn = Episode(task.support[None], task.query[None], (task.class_index,))
        changed = self.changed(drawn, generator_of(self.seed, self.key, index))
        return GenerationTask(changed.support[0], changed.query[0], task.class_index)

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        self._check(split)
        drawn = self.stream.episode(split, index, n_way, k_shot, n_query)
        return self.changed(drawn, generator_of(self.seed, self.key, index))

    def _check(self, split: str) -> None:
        if split != "train":
            raise UserError(f"stream: {type(self).__name__.lower()} changes train classes, and never those of {split}")
