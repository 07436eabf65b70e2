"""The fixed rules are torch's own optimisers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.update_rules import UPDATE_RULES, initialised, shared_rule

RATE, STEPS = 0.05, 20
OPTIMISERS = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_twenty_steps_equal_those_of_torch(
    chase: Any, start: Parameters, make_tasks: Callable[[int], TaskTensors], name: str, dtype: torch.dtype
) -> None:
    assert not UPDATE_RULES[name].learned
    start = {own: value.to(dtype) for own, value in start.items()}
    task = {part: value[0].to(dtype) for part, value in make_tasks(1).items()}
    rules = shared_rule(UPDATE_RULES[name], start)
    rates = initialised(rules, start, dict.fromkeys(start, RATE), STEPS)
    trajectory = adapt(chase, rules, {**start, **rates}, task, STEPS, by_autograd, False)

    theirs = {own: value.clone().requires_grad_() for own, value in start.items()}
    optimisers = {
        player: OPTIMISERS[name]([value for own, value in theirs.items() if own.startswith(player)], lr=RATE)
        for player in chase.players
    }
    for step, (ours, _) in enumerate(trajectory):
        for player, optimiser in optimisers.items():
            for value in theirs.values():
                value.grad = None
            chase.inner_loss(player, theirs, task, step).backward()
            optimiser.step()
        for own, value in theirs.items():
            torch.testing.assert_close(ours[own], value.detach(), rtol=1e-6, atol=1e-6)


def test_adam_can_be_differentiated_where_a_gradient_is_zero() -> None:
    """Some pixels of a map are never seen; torch's own root would give NaN."""
    adam, values = UPDATE_RULES["adam"], {"a.x": torch.zeros(2, dtype=torch.float64)}
    rules = shared_rule(adam, values)
    meta_parameters = initialised(rules, values, {"a.x": RATE}, 1)

    class HalfBlind(Learner):
        players = ("a",)

        def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> torch.Tensor:
            return (parameters["a.x"] - 1)[0] ** 2

    leaf = values["a.x"].clone().requires_grad_()
    *_, (adapted, _) = adapt(HalfBlind(), rules, {"a.x": leaf, **meta_parameters}, {}, 2, by_autograd, True)
    (gradient,) = torch.autograd.grad(adapted["a.x"].sum(), leaf)
    assert gradient.isfinite().all()
    assert gradient[1] == 1
