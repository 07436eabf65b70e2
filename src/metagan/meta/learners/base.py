"""The contract of a learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import OBSERVED

TaskTensors = dict[str, Tensor]
"""All tensors of one task, noise included, so that a task's gradient is a pure function."""


class Learner(Protocol):
    """Losses on parameter dictionaries.

    `players` take turns in an inner step, each on the parameters whose names start with `<player>.`.
    `judges` name the outer losses: "" judges all meta-parameters, a player's name only that player's.
    """

    players: ClassVar[tuple[str, ...]]
    start_weight: float = 0.0
    """Weight of the outer loss before the first inner step; with 0 the trajectory begins after it."""

    @property
    def judges(self) -> tuple[str, ...]: ...

    def start(self, parameters: Parameters, task: TaskTensors) -> Parameters:
        """The parameters that the task's inner steps begin with."""
        return parameters

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor: ...

    def observe(self, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        """(OBSERVED,) what update rules may see before inner step `step`, of the support set alone; the last is a
        distance that is to fall."""
        return task["support"].new_zeros(OBSERVED)

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        """Weighted sum of the judge's losses on the query set, over the parameters after each inner step."""
        ...
