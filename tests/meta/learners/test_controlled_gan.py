"""The controller at work on a GAN."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from metagan.meta.adaptation import adapt, turns
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.update_rules import UPDATE_RULES, initialised, shared_rule

Make = Callable[..., Parameters]


@pytest.fixture
def task(make_tasks: Callable[..., TaskTensors]) -> TaskTensors:
    return {name: value[0] for name, value in make_tasks(1).items()}


def networks_of(learner: GanLearner, make_parameters: Make) -> Parameters:
    return {name: value for name, value in make_parameters(learner).items() if not name.startswith("rule.")}


def test_the_discriminator_may_step_three_times(
    make_learner: Callable[..., GanLearner], make_parameters: Make, task: TaskTensors
) -> None:
    learner = make_learner()
    networks = networks_of(learner, make_parameters)
    rules = shared_rule(UPDATE_RULES["controller"], networks)
    assert turns(learner, rules) == [("discriminator", turn) for turn in range(3)] + [("generator", 0)]
    first = initialised(rules, networks, dict.fromkeys(networks, 0.01), 3)
    parameters = {**networks, **first, "rule.readout": torch.zeros_like(first["rule.readout"])}

    def count(bias: float) -> list[float]:
        wanted = {**parameters, "rule.readout_bias": torch.tensor([0.0, 0.0, bias, bias]).double()}
        *_, end = adapt(learner, rules, wanted, task, 2, by_autograd, False)
        return [end.state[f"rule.count.{player}"].item() for player in learner.players]

    assert count(-5.0) == [2, 2]
    assert count(5.0) == [6, 2]


@pytest.mark.parametrize("shots", [1, 3])
def test_what_it_may_observe(
    make_learner: Callable[..., GanLearner],
    make_parameters: Make,
    task: TaskTensors,
    shots: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a discriminator that calls everything real, and of samples that are the support images themselves."""
    learner = make_learner()
    networks = networks_of(learner, make_parameters)
    networks |= {name: torch.zeros_like(value) for name, value in networks.items() if "head" in name}
    networks["discriminator.head_deep.bias"] = torch.ones(1, dtype=torch.float64)
    task = {**task, "support": task["support"][:shots], "inner_noise": task["inner_noise"][:, :, :shots]}
    accuracy = learner.observe(networks, task, 0)
    assert accuracy[:2].tolist() == [1, 0]
    assert accuracy[2] > 0

    def generate(parameters: Parameters, noise: Tensor) -> Tensor:
        return task["support"]

    monkeypatch.setattr(learner, "generate", generate)
    assert learner.observe(networks, task, 0)[2].abs() < 1e-3
