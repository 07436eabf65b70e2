"""What holds of every rule at work in the inner loop: its meta-gradient is a slope, and all ways to map tasks agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskFunction, TaskMap
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, separate_rules, shared_rule

MakeTasks = Callable[[int], TaskTensors]
WEIGHTS = [0.3, 0.0, 1.0]
SHIFT = 1e-5
RATES = {"x.matrix": 0.1, "x.shift": 0.05, "y.vector": 0.2}
each_rule = pytest.mark.parametrize("name", UPDATE_RULES)


def both_ways(name: str) -> list[Rules]:
    """The rule shared by the players, and one for each."""
    rule = UPDATE_RULES[name]
    return [shared_rule(rule, RATES), separate_rules({"x": rule, "y": rule}, RATES)]


def begun(rules: Rules, start: Parameters) -> Parameters:
    """Start and first meta-parameters of the rules, in float64 and off the symmetry in which some start."""
    generator = torch.Generator().manual_seed(2)
    first = {name: value.double() for name, value in initialised(rules, start, RATES, 2, seed=3).items()}
    moved = {
        name: value * (1 + 0.05 * torch.rand(value.shape, dtype=value.dtype, generator=generator))
        for name, value in first.items()
    }
    return {**start, **moved}


def meta_loss(meta_gradient: str, rules: Rules) -> TaskFunction:
    def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        return META_GRADIENTS[meta_gradient](learner, rules, parameters, task, WEIGHTS, differentiate)

    return loss


@each_rule
def test_the_meta_gradient_is_the_slope(chase: Any, start: Parameters, make_tasks: MakeTasks, name: str) -> None:
    """Of the weighted outer losses, in the start and in the rule's meta-parameters, by central differences."""
    task = {part: value[0] for part, value in make_tasks(1).items()}
    generator = torch.Generator().manual_seed(0)
    for rules in both_ways(name):
        parameters, loss = begun(rules, start), meta_loss("maml", rules)

        def value(candidate: Parameters, loss: TaskFunction = loss) -> Tensor:
            return loss(chase, candidate, task, by_autograd)

        _, gradients = by_autograd(value, parameters, False)
        for own in parameters:
            # Short, for the third derivative in Adam's epsilon is large.
            direction = 0.1 * torch.randn(parameters[own].shape, generator=generator, dtype=parameters[own].dtype)
            ends = [value({**parameters, own: parameters[own] + by * direction}).item() for by in (SHIFT, -SHIFT)]
            slope = (ends[0] - ends[1]) / (2 * SHIFT)
            assert (gradients[own] * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-8), own


@each_rule
@pytest.mark.parametrize("meta_gradient", META_GRADIENTS)
def test_a_batch_of_tasks_equals_the_loop(
    chase: Any, start: Parameters, make_tasks: MakeTasks, name: str, meta_gradient: str
) -> None:
    tasks = make_tasks(3)
    for rules in both_ways(name):
        parameters, loss = begun(rules, start), meta_loss(meta_gradient, rules)
        value, gradients = TaskMap(chase, "loop", 2).mean_gradient(loss, parameters, tasks)
        assert any(gradient.abs().max() > 0 for gradient in gradients.values())
        for mode in ("threads", "vmap"):
            other, others = TaskMap(chase, mode, 2, workers=2).mean_gradient(loss, parameters, tasks)
            torch.testing.assert_close(other, value)
            for own, gradient in gradients.items():
                torch.testing.assert_close(others[own], gradient, rtol=1e-9, atol=1e-12, msg=f"{mode}: {own}")


@pytest.mark.parametrize("name", sorted(set(UPDATE_RULES) - {"controller"}))  # whose memory is of all players
def test_players_who_share_a_rule_share_what_it_learns_and_no_memory_of_their_tensors(
    chase: Any, start: Parameters, make_tasks: MakeTasks, name: str
) -> None:
    """With the same meta-parameters one rule for both does what a rule for each does."""
    task = {part: value[0] for part, value in make_tasks(1).items()}
    shared, separate = both_ways(name)
    parameters = begun(shared, start)
    copies = {
        f"rule.{player}.{own.removeprefix('rule.')}": value
        for player in ("x", "y")
        for own, value in parameters.items()
        if own.startswith("rule.")
    }
    *_, one = adapt(chase, shared, parameters, task, 3, by_autograd, False)
    *_, each = adapt(chase, separate, {**start, **copies}, task, 3, by_autograd, False)
    for own, value in one.parameters.items():
        assert not torch.equal(value, start[own])
        torch.testing.assert_close(each.parameters[own], value)
    assert len(one.state) == len(each.state)
