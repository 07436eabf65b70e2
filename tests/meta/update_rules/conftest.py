"""Two players of few numbers whose losses are smooth and differ from step to step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner

STEPS = 3


class Chase(Learner):
    """Each player wants its bent image of the other's tensors to be where the support set of a step says."""

    players = ("x", "y")
    judges = ("",)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        matrix, shift, other = parameters["x.matrix"], parameters["x.shift"], parameters["y.vector"]
        seen = torch.tanh(matrix @ other + shift)
        target = task["support"][step % STEPS]
        if player == "x":
            return (seen - target).square().sum() + 0.1 * matrix.square().sum()
        return (seen + 0.5 * target).square().mean() + 0.3 * (other - 1).square().sum() + seen.sum()

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        ends = [torch.cat([value.flatten() for value in parameters.values()]) for parameters in trajectory]
        losses = [weight * (end - task["query"]).square().sum() for weight, end in zip(weights, ends, strict=True)]
        return torch.stack(losses).sum()


@pytest.fixture
def chase() -> Chase:
    return Chase()


@pytest.fixture
def start() -> Parameters:
    generator = torch.Generator().manual_seed(0)
    shapes = {"x.matrix": (3, 2), "x.shift": (3,), "y.vector": (2,)}
    return {
        name: torch.randn(*shape, dtype=torch.float64, generator=generator) for name, shape in sorted(shapes.items())
    }


@pytest.fixture
def make_tasks() -> Callable[[int], TaskTensors]:
    def make(n: int) -> TaskTensors:
        generator = torch.Generator().manual_seed(1)
        return {
            "support": torch.randn(n, STEPS, 3, dtype=torch.float64, generator=generator),
            "query": torch.randn(n, 11, dtype=torch.float64, generator=generator),
        }

    return make
