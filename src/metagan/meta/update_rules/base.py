"""The contract of an update rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters

OBSERVED = 3
"""How many numbers a learner lets a rule observe."""

State = dict[str, Tensor]
"""What a rule remembers of the steps on one task."""


@dataclass(frozen=True)
class Signals:
    """What a rule may look at beside the values: whose step it is, the number of the inner step from 0, the loss and
    its gradients.

    `turn` is how often the player has stepped in this inner step before; `first` whether nothing of the rule has.
    `observed` (OBSERVED,) is what the learner lets rules see that ask for it: see `Learner.observe`.
    """

    player: str
    step: int
    loss: Tensor
    gradients: Parameters
    turn: int = 0
    first: bool = True
    observed: Tensor = field(default_factory=lambda: torch.zeros(OBSERVED))

    @property
    def gradient_norm(self) -> Tensor:
        """Euclidean, of all gradients of the step together."""
        return torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in self.gradients.values()]))


class UpdateRule(NamedTuple):
    """Three pure functions, and whether the outer loop learns the rule's meta-parameters.

    `initialise(values, rates, steps, seed)`: the first meta-parameters, for tensors of these values, by the rate at
    which each is to start, the number of inner steps in training, and the seed of whatever is random.
    `begin(meta_parameters, values)`: the state before the first step on a task.
    `step(meta_parameters, state, values, gradients, signals)`: new values of the tensors in `values`, which are those
    of one player, and what of the state is new.
    `observes`: whether the signals hold what the learner lets rules observe.
    `most_steps`: players by name, and how often each steps in one inner step; once where nothing is said.
    """

    initialise: Callable[[Parameters, dict[str, float], int, int], Parameters]
    begin: Callable[[Parameters, Parameters], State]
    step: Callable[[Parameters, State, Parameters, Parameters, Signals], tuple[Parameters, State]]
    learned: bool
    observes: bool = False
    most_steps: tuple[tuple[str, int], ...] = ()


def fixed_rates(values: Parameters, rates: dict[str, float]) -> Parameters:
    """The rate of each tensor as a scalar of its type."""
    return {name: value.new_tensor(rates[name]) for name, value in values.items()}


def without_memory(meta_parameters: Parameters, values: Parameters) -> State:
    """How a rule begins that remembers nothing."""
    return {}
