"""MAML++'s scales and shifts of BatchNorm for each inner step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.func import functional_call

from metagan.meta.learners import TaskTensors
from metagan.meta.learners.classifier import NORMS, PREFIX, at_step, with_norms_per_step
from metagan.meta.update_rules import shared_rule

STEPS = 2


def of_network(parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in parameters.items() if name.startswith(PREFIX)}


def test_each_inner_step_has_its_own_and_changes_none(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("maml"), make_task()
    rates = {name: value for name, value in built.parameters.items() if name.startswith("rule.")}
    parameters = with_norms_per_step(of_network(built.parameters), STEPS)
    parameters = {name: value + 0.1 * torch.randn_like(value) * (NORMS in name) for name, value in parameters.items()}
    built.parameters = parameters | {name: value for name, value in rates.items() if NORMS not in name}
    (rule,) = built.rules.values()
    built.rules = shared_rule(rule.rule, [name for name in rule.tensors if NORMS not in name])
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}

    def loss(own: dict[str, torch.Tensor], copy: int, part: str) -> torch.Tensor:
        chosen = {name.removeprefix(PREFIX): value[copy] if NORMS in name else value for name, value in own.items()}
        return F.cross_entropy(functional_call(built.network, chosen, (task[part],)), task[f"{part}_labels"])

    own, rate = dict(leaves), next(iter(rates.values()))
    for step in range(STEPS):
        moved = [name for name in own if NORMS not in name]
        gradients = torch.autograd.grad(loss(own, step, "support"), [own[name] for name in moved], create_graph=True)
        own |= {name: own[name] - rate * value for name, value in zip(moved, gradients, strict=True)}
    expected = torch.autograd.grad(loss(own, STEPS, "query"), list(leaves.values()))

    found = built.gradient(task)
    for name, value in zip(leaves, expected, strict=True):
        torch.testing.assert_close(found[name], value)
        if NORMS in name:
            assert found[name].abs().sum(1).min() > 0  # every step's copy is learned


def test_steps_past_those_of_training_take_the_last(build: Callable[..., Any]) -> None:
    parameters = with_norms_per_step(of_network(build("maml").parameters), STEPS)
    name = "classifier.norms.1.bias"
    parameters[name] = torch.arange(3.0).unsqueeze(1).expand(3, 4)
    chosen = [float(at_step(parameters, steps)[name][0]) for steps in range(5)]
    assert chosen == [0, 1, 2, 2, 2]
