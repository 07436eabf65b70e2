from __future__ import annotations

import math

import pytest
import torch

from metagan.meta.update_rules import UPDATE_RULES, UpdateRule, lslr, sgd

VALUES = {"a.x": torch.tensor([1.0, -2.0]), "a.y": torch.tensor(3.0)}
GRADIENTS = {"a.x": torch.tensor([10.0, 5.0]), "a.y": torch.tensor(-1.0)}
RATES = {"a.x": 0.1, "a.y": 0.5}
each_rule = pytest.mark.parametrize("rule", UPDATE_RULES.values(), ids=UPDATE_RULES.keys())


@each_rule
def test_the_first_step_goes_down_the_gradient_by_the_initial_rates(rule: UpdateRule) -> None:
    updated = rule.update(rule.initialise(RATES, 3), VALUES, GRADIENTS, 0)
    assert updated.keys() == VALUES.keys()
    torch.testing.assert_close(updated["a.x"], torch.tensor([0.0, -2.5]))
    torch.testing.assert_close(updated["a.y"], torch.tensor(3.5))


@each_rule
def test_only_the_tensors_given_are_updated(rule: UpdateRule) -> None:
    """A player's turn leaves the other player's tensors alone."""
    start = rule.initialise({**RATES, "b.z": 1.0}, 3)
    assert rule.update(start, {"a.y": VALUES["a.y"]}, {"a.y": GRADIENTS["a.y"]}, 0).keys() == {"a.y"}


@each_rule
def test_nothing_is_changed_in_place(rule: UpdateRule) -> None:
    before = {name: value.clone() for name, value in VALUES.items()}
    rule.update(rule.initialise(RATES, 3), VALUES, GRADIENTS, 1)
    assert all(torch.equal(VALUES[name], before[name]) for name in VALUES)


def moved(rule: UpdateRule, step: int) -> float:
    """How far a gradient of 1 moves a tensor whose initial rate is 1, with a rule made for 3 steps."""
    start = rule.initialise({"a.x": 1.0}, 3)
    return -rule.update(start, {"a.x": torch.tensor(0.0)}, {"a.x": torch.tensor(1.0)}, step)["a.x"].item()


def test_rates_of_gradient_descent_are_fixed() -> None:
    assert not sgd.learned
    assert [moved(sgd, step) for step in (0, 1, 50)] == [1.0, 1.0, 1.0]


def test_learned_rates_fall_within_the_schedule_and_past_it() -> None:
    """1 / (1 + s) at the steps trained, then 0.7 of the rate before at each further step."""
    assert lslr.learned
    rates = [moved(lslr, step) for step in range(5)]
    assert rates == pytest.approx([1.0, 1 / 2, 1 / 3, 0.7 / 3, 0.7**2 / 3])


def test_lslr_learns_logarithms_of_rates() -> None:
    start = lslr.initialise({"a.y": 0.5}, 3)
    assert start["rule.a.y"].item() == pytest.approx(math.log(0.5))
    leaves = [value.requires_grad_() for value in start.values()]
    updated = lslr.update(start, {"a.y": VALUES["a.y"]}, {"a.y": GRADIENTS["a.y"]}, 1)
    of_tensor, of_schedule = torch.autograd.grad(updated["a.y"], leaves)
    step = 0.5 / 2 * GRADIENTS["a.y"].item()
    assert of_tensor.item() == pytest.approx(-step)
    assert of_schedule.tolist() == pytest.approx([0.0, -step, 0.0])
