"""A stream of train classes whose distribution changes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from metagan.errors import UserError
from metagan.tasks.bank import TaskBank
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase
from metagan.tasks.sampling import Episode, GenerationTask, generator_of
from metagan.tasks.streams.base import BankStream, TaskStream
from metagan.tasks.streams.looked import Looked

_ORDER = 6


@dataclass(frozen=True)
class Ordered:
    """The classes of each phase that are trained on, in an order, over so many `tasks`; after the last of them the last
    share stays."""

    bank: TaskBank
    seed: int
    order: str
    phases: tuple[Phase, ...]
    tasks: int

    @property
    def name(self) -> str:
        classes = "; ".join(f"{phase.look} {','.join(map(str, phase.trained))}" for phase in self.phases)
        return f"{self.bank.content_hash}/{self.order} of {self.tasks}: {classes}"

    def phase_of(self, index: int) -> int:
        """The number of the phase that task `index` is of."""
        shares = ORDERS[self.order].shares(Fraction(min(index, self.tasks - 1), self.tasks), len(self.phases))
        return int(generator_of(self.seed, _ORDER, index).choice(len(self.phases), p=shares))

    def generation_task(self, split: str, index: int, k_shot: int, n_query: int) -> GenerationTask:
        return self._phase(split, index).generation_task(split, index, k_shot, n_query)

    def episode(self, split: str, index: int, n_way: int, k_shot: int, n_query: int) -> Episode:
        """All classes of an episode are of one phase."""
        return self._phase(split, index).episode(split, index, n_way, k_shot, n_query)

    def _phase(self, split: str, index: int) -> TaskStream:
        if split != "train":
            raise UserError(f"stream.order: {self.order} orders train classes, and never those of {split}")
        phase = self.phases[self.phase_of(index)]
        return Looked(BankStream(self.bank, self.seed, phase.trained), phase.look)
