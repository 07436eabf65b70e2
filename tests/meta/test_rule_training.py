"""How rules are trained: truncated unrolls against an unroll by hand, evolution against a known gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters, by_autograd, by_functional
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.rule_training import blocks, pes, unroll
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, learned_names, separate_rules, shared_rule

RATES = {"p.value": 0.3}
RULES = shared_rule(UPDATE_RULES["lslr"], RATES)
STEPS, WEIGHTS = 4, [0.5, 1.0, 0.25, 2.0]


class Slide(Learner):
    """One player on a quadratic slope; the outer loss is a product of the value and what the task says of the step."""

    players = ("p",)
    judges = ("",)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        return 0.5 * (parameters["p.value"] - task["support"][step]).square().sum()

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        losses = [
            weight * (task["query"] * place["p.value"]).sum() for weight, place in zip(weights, trajectory, strict=True)
        ]
        return torch.stack(losses).sum()


@pytest.fixture
def task() -> TaskTensors:
    generator = torch.Generator().manual_seed(0)
    return {
        "support": torch.randn(STEPS, 3, dtype=torch.float64, generator=generator),
        "query": torch.randn(3, dtype=torch.float64, generator=generator),
    }


@pytest.fixture
def parameters() -> Parameters:
    start = {"p.value": torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)}
    return {**start, **{name: value.double() for name, value in initialised(RULES, start, RATES, STEPS).items()}}


def gradients(
    value: Callable[[Parameters], Tensor], parameters: Parameters, rules: Rules = RULES
) -> tuple[Tensor, Parameters]:
    learned = {name: parameters[name] for name in learned_names(rules, parameters)}
    return by_autograd(lambda own: value({**parameters, **own}), learned, False)


def test_blocks_leave_no_step_out() -> None:
    assert blocks(7, 3) == [range(0, 3), range(3, 6), range(6, 7)]
    assert blocks(4, 9) == [range(0, 4)]


@pytest.mark.parametrize("differentiate", [by_autograd, by_functional])
def test_an_unroll_that_is_not_cut_is_second_order_maml(
    differentiate: Differentiate, task: TaskTensors, parameters: Parameters
) -> None:
    whole = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, differentiate, STEPS), parameters)
    maml = gradients(lambda own: META_GRADIENTS["maml"](Slide(), RULES, own, task, WEIGHTS, differentiate), parameters)
    torch.testing.assert_close(whole, maml)


def test_gradients_of_a_cut_unroll_pass_through_so_many_steps(task: TaskTensors, parameters: Parameters) -> None:
    """The last two losses, from the place that the first two steps have led to, where they are given."""
    value, cut = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, by_autograd, 2), parameters)

    def of_two(own: Parameters, first: int, start: Tensor) -> Tensor:
        total = torch.zeros((), dtype=torch.float64)
        place = start
        for step in (first, first + 1):
            rate = (own["rule.p.value"] + own["rule.schedule"][step]).exp()
            place = place - rate * (place - task["support"][step])
            total = total + WEIGHTS[step] * (task["query"] * place).sum()
        return total

    *_, (middle, _) = adapt(Slide(), RULES, parameters, task, 2, by_autograd, False)

    def by_hand(own: Parameters) -> Tensor:
        return of_two(own, 0, parameters["p.value"]) + of_two(own, 2, middle["p.value"].detach())

    expected, slopes = gradients(by_hand, parameters)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(cut, slopes)
    _, whole = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, by_autograd, STEPS), parameters)
    assert (whole["rule.p.value"] - cut["rule.p.value"]).abs() > 1e-3


def test_evolution_is_unbiased(task: TaskTensors, parameters: Parameters) -> None:
    """Against the whole gradient, within four standard errors of the mean of 4,000 pairs; what a cut unroll gives, or
    evolution that forgets the disturbances of earlier blocks, lies outside."""
    pairs, truncation, deviation = 4000, 2, 1e-3
    names = learned_names(RULES, parameters)
    count = sum(parameters[name].numel() for name in names)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(pairs, 2, count, dtype=torch.float64, generator=generator)

    def estimate(perturbations: Tensor) -> Tensor:
        def value(own: Parameters) -> Tensor:
            disturbed = {**task, "perturbations": perturbations}
            return pes(Slide(), RULES, own, disturbed, WEIGHTS, by_autograd, truncation, deviation)

        _, found = gradients(value, parameters)
        return torch.cat([found[name].flatten() for name in names])

    estimates = torch.stack([estimate(perturbations) for perturbations in drawn])
    error = estimates.std(0) / pairs**0.5
    _, whole = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, by_autograd, STEPS), parameters)
    _, cut = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, by_autograd, truncation), parameters)
    expected, biased = (torch.cat([found[name].flatten() for name in names]) for found in (whole, cut))
    assert ((estimates.mean(0) - expected).abs() < 4 * error).all()
    assert ((estimates.mean(0) - biased).abs() > 4 * error).any()


def test_the_value_of_an_undisturbed_pair_is_the_outer_loss(task: TaskTensors, parameters: Parameters) -> None:
    still = {**task, "perturbations": torch.zeros(2, 5, dtype=torch.float64)}
    value, found = gradients(lambda own: pes(Slide(), RULES, own, still, WEIGHTS, by_autograd, 2, 0.1), parameters)
    expected, _ = gradients(lambda own: unroll(Slide(), RULES, own, task, WEIGHTS, by_autograd, STEPS), parameters)
    torch.testing.assert_close(value, expected)
    assert all((gradient == 0).all() for gradient in found.values())


@pytest.mark.parametrize("train", [unroll, partial(pes, deviation=0.1)], ids=["unroll", "pes"])
def test_a_batch_of_tasks_equals_the_loop_and_networks_get_no_gradient_from_evolution(
    train: Callable[..., Tensor], parameters: Parameters
) -> None:
    generator = torch.Generator().manual_seed(3)
    tasks = {
        "support": torch.randn(3, STEPS, 3, dtype=torch.float64, generator=generator),
        "query": torch.randn(3, 3, dtype=torch.float64, generator=generator),
        "perturbations": torch.randn(3, 2, 5, dtype=torch.float64, generator=generator),
    }

    def loss(learner: Learner, own: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        return train(learner, RULES, own, task, WEIGHTS, differentiate, truncation=2)

    value, found = TaskMap(Slide(), "loop", 2).mean_gradient(loss, parameters, tasks)
    for mode in ("threads", "vmap"):
        other, others = TaskMap(Slide(), mode, 2, workers=2).mean_gradient(loss, parameters, tasks)
        torch.testing.assert_close(other, value)
        torch.testing.assert_close(others, found)
    assert (train is unroll) or (found["p.value"] == 0).all()


def test_only_learned_rules_are_disturbed() -> None:
    start = {"x.value": torch.zeros(2), "y.value": torch.zeros(2)}
    rules = separate_rules({"x": UPDATE_RULES["sgd"], "y": UPDATE_RULES["lslr"]}, start)
    parameters = {**start, **initialised(rules, start, dict.fromkeys(start, 0.1), 2)}
    assert learned_names(rules, parameters) == ["rule.y.y.value", "rule.y.schedule"]
