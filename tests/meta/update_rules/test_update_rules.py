from __future__ import annotations

import math
from typing import get_args

import pytest
import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules import UPDATE_RULES, Signals, UpdateRule
from metagan.meta.update_rules.lslr import lslr
from metagan.meta.update_rules.meta_sgd import meta_sgd
from metagan.meta.update_rules.sgd import sgd
from metagan.parameters.update_rule import LearnedRuleName

VALUES = {"a.x": torch.tensor([1.0, -2.0]), "a.y": torch.tensor(3.0)}
GRADIENTS = {"a.x": torch.tensor([10.0, 5.0]), "a.y": torch.tensor(-1.0)}
RATES = {"a.x": 0.1, "a.y": 0.5}
each_rule = pytest.mark.parametrize("rule", UPDATE_RULES.values(), ids=UPDATE_RULES.keys())


def first(rule: UpdateRule, values: Parameters, rates: dict[str, float]) -> Parameters:
    return rule.initialise(values, rates, 3, 0)


def stepped(
    rule: UpdateRule, meta_parameters: Parameters, values: Parameters, gradients: Parameters, step: int
) -> Parameters:
    """Values after one step, as if it were the first that the rule sees."""
    signals = Signals("a", step, torch.tensor(1.0), gradients)
    return rule.step(meta_parameters, rule.begin(meta_parameters, values), values, gradients, signals)[0]


@pytest.mark.parametrize("rule", [UPDATE_RULES[name] for name in ("sgd", "momentum", "lslr", "meta_sgd")])
def test_the_first_step_goes_down_the_gradient_by_the_initial_rates(rule: UpdateRule) -> None:
    updated = stepped(rule, first(rule, VALUES, RATES), VALUES, GRADIENTS, 0)
    assert updated.keys() == VALUES.keys()
    torch.testing.assert_close(updated["a.x"], torch.tensor([0.0, -2.5]))
    torch.testing.assert_close(updated["a.y"], torch.tensor(3.5))


@each_rule
def test_only_the_tensors_given_are_updated(rule: UpdateRule) -> None:
    """A player's turn leaves the other player's tensors alone."""
    everything = {**VALUES, "b.z": torch.zeros(2)}
    start = first(rule, everything, {**RATES, "b.z": 1.0})
    state, gradients = rule.begin(start, everything), {"a.y": GRADIENTS["a.y"]}
    signals = Signals("a", 0, torch.tensor(1.0), gradients)
    updated, remembered = rule.step(start, state, {"a.y": VALUES["a.y"]}, gradients, signals)
    assert updated.keys() == {"a.y"}
    assert remembered.keys() <= state.keys()
    assert not any("b.z" in name or "a.x" in name for name in remembered)


@each_rule
def test_nothing_is_changed_in_place(rule: UpdateRule) -> None:
    before = {name: value.clone() for name, value in VALUES.items()}
    stepped(rule, first(rule, VALUES, RATES), VALUES, GRADIENTS, 1)
    assert all(torch.equal(VALUES[name], before[name]) for name in VALUES)


def moved(rule: UpdateRule, step: int) -> float:
    """How far a gradient of 1 moves a tensor whose initial rate is 1, with a rule made for 3 steps."""
    still = {"a.x": torch.tensor(0.0)}
    return -stepped(rule, first(rule, still, {"a.x": 1.0}), still, {"a.x": torch.tensor(1.0)}, step)["a.x"].item()


def test_rates_of_gradient_descent_are_fixed() -> None:
    assert not sgd.learned
    assert [moved(sgd, step) for step in (0, 1, 50)] == [1.0, 1.0, 1.0]


def test_learned_rates_fall_within_the_schedule_and_past_it() -> None:
    """1 / (1 + s) at the steps trained, then 0.7 of the rate before at each further step."""
    assert lslr.learned
    rates = [moved(lslr, step) for step in range(5)]
    assert rates == pytest.approx([1.0, 1 / 2, 1 / 3, 0.7 / 3, 0.7**2 / 3])


def test_lslr_learns_logarithms_of_rates() -> None:
    start = first(lslr, {"a.y": VALUES["a.y"]}, {"a.y": 0.5})
    assert start["a.y"].item() == pytest.approx(math.log(0.5))
    leaves = [value.requires_grad_() for value in start.values()]
    updated = stepped(lslr, start, {"a.y": VALUES["a.y"]}, {"a.y": GRADIENTS["a.y"]}, 1)
    of_tensor, of_schedule = torch.autograd.grad(updated["a.y"], leaves)
    step = 0.5 / 2 * GRADIENTS["a.y"].item()
    assert of_tensor.item() == pytest.approx(-step)
    assert of_schedule.tolist() == pytest.approx([0.0, -step, 0.0])


def test_meta_sgd_learns_a_rate_for_each_element_that_may_be_negative() -> None:
    """Equation 3 of the paper: theta - alpha * gradient, element by element."""
    assert meta_sgd.learned
    start = first(meta_sgd, VALUES, RATES)
    assert {name: value.shape for name, value in start.items()} == {name: value.shape for name, value in VALUES.items()}
    start["a.x"] = torch.tensor([0.2, -0.3], requires_grad=True)
    updated = stepped(meta_sgd, start, VALUES, GRADIENTS, 7)["a.x"]
    torch.testing.assert_close(updated, torch.tensor([1.0 - 0.2 * 10.0, -2.0 + 0.3 * 5.0]))
    (gradient,) = torch.autograd.grad(updated.sum(), start["a.x"])
    torch.testing.assert_close(gradient, -GRADIENTS["a.x"])


def test_the_gradient_norm_is_of_all_gradients_together() -> None:
    assert Signals("a", 0, torch.tensor(0.0), GRADIENTS).gradient_norm.item() == pytest.approx(math.sqrt(126))


def test_the_parameters_know_which_rules_are_learned() -> None:
    assert {name for name, rule in UPDATE_RULES.items() if rule.learned} == set(get_args(LearnedRuleName))
