"""The contract of an update rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters

State = dict[str, Tensor]
"""What a rule remembers of the steps on one task."""


@dataclass(frozen=True)
class Signals:
    """What a rule may look at beside the values: whose step it is, its number from 0, the loss and its gradients."""

    player: str
    step: int
    loss: Tensor
    gradients: Parameters

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
    """

    initialise: Callable[[Parameters, dict[str, float], int, int], Parameters]
    begin: Callable[[Parameters, Parameters], State]
    step: Callable[[Parameters, State, Parameters, Parameters, Signals], tuple[Parameters, State]]
    learned: bool


def fixed_rates(values: Parameters, rates: dict[str, float]) -> Parameters:
    """The rate of each tensor as a scalar of its type."""
    return {name: value.new_tensor(rates[name]) for name, value in values.items()}


def without_memory(meta_parameters: Parameters, values: Parameters) -> State:
    """How a rule begins that remembers nothing."""
    return {}
