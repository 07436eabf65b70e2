"""A stream whose examples have a look."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from metagan.tasks.bank import TaskBank
from metagan.tasks.looks import LOOKS
from metagan.tasks.sampling import Episode, GenerationTask
from metagan.tasks.streams.base import TaskStream


@dataclass(frozen=True)
class Looked:
    """The tasks of another stream, whose examples are all changed alike."""

    stream: TaskStream
    look: str

    @property
    def bank(self) -> TaskBank:
        return self.stream.bank

    @property
    def seed(self) -> int:
        return self.stream.seed

    @property
    def name(self) -> str:
        return f"{self.stream.name}/{self.look}"

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        task = self.stream.generation_task(split, index, k_shot, n_query)
        return task._replace(support=self._changed(task.support), query=self._changed(task.query))

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        drawn = self.stream.episode(split, index, n_way, k_shot, n_query)
        return drawn._replace(support=self._changed(drawn.support), query=self._changed(drawn.query))

    def _changed(self, examples: Tensor) -> Tensor:
        return LOOKS[self.look].change(self.bank.domain, examples)
