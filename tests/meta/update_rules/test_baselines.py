"""Rules that nobody learned, by their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from metagan.meta.update_rules import UPDATE_RULES, Signals
from metagan.meta.update_rules.gap_aware import factor

V = math.log(4)


def run(name: str, losses: list[float], rate: float = 1.0, steps: int = 4) -> list[float]:
    """Where a number is after each step down a gradient of 1, from 0."""
    rule, values = UPDATE_RULES[name], {"d.x": torch.tensor(0.0, dtype=torch.float64)}
    meta_parameters = rule.initialise(values, {"d.x": rate}, steps, 0)
    state, places = rule.begin(meta_parameters, values), []
    for step, loss in enumerate(losses):
        gradients = {"d.x": torch.tensor(1.0, dtype=torch.float64)}
        signals = Signals("d", step, torch.tensor(loss, dtype=torch.float64), gradients)
        values, remembered = rule.step(meta_parameters, state, values, gradients, signals)
        state |= remembered
        places.append(values["d.x"].item())
    return places


def gap_factor(loss: float) -> float:
    x = abs(loss - V)
    return min(max(2 ** (x / (0.1 * V)), 1), 2) if loss > V else min(max(0.1 ** (x / (0.1 * V)), 0.1), 1)


@pytest.mark.parametrize("loss", [0.0, 0.95 * V, V, 1.03 * V, 1.1 * V, 5.0])
def test_the_factor_of_the_gap(loss: float) -> None:
    assert factor(torch.tensor(loss, dtype=torch.float64)).item() == pytest.approx(gap_factor(loss))


def test_the_gap_is_that_of_an_average_or_of_the_step_itself() -> None:
    losses = [V, 3.0, 0.5, 0.1, 2.0]
    average, averaged, at_once = V, [0.0], [0.0]
    for loss in losses:
        average = 0.95 * average + 0.05 * loss
        averaged.append(averaged[-1] - 0.2 * gap_factor(average))
        at_once.append(at_once[-1] - 0.2 * gap_factor(loss))
    assert run("gap_aware", losses, 0.2) == pytest.approx(averaged[1:])
    assert run("gap_aware_at_once", losses, 0.2) == pytest.approx(at_once[1:])


def test_lookahead_goes_halfway_back_every_five_steps() -> None:
    """By hand: 1, 2, 3, 4, then half of 5; from there 4 more and half of the way."""
    places = [-place for place in run("lookahead", [1.0] * 12)]
    assert places == pytest.approx([1, 2, 3, 4, 2.5, 3.5, 4.5, 5.5, 6.5, 5.0, 6.0, 7.0])


def test_lookahead_settles_where_gradient_descent_turns_in_circles() -> None:
    """min over x of max over y of x y, simultaneous steps: section 2 of the paper."""
    ends = {}
    for name in ("sgd", "lookahead"):
        rule = UPDATE_RULES[name]
        values = {"p.x": torch.tensor(1.0), "p.y": torch.tensor(1.0)}
        meta_parameters = rule.initialise(values, dict.fromkeys(values, 0.3), 4, 0)
        state = rule.begin(meta_parameters, values)
        for step in range(200):
            gradients = {"p.x": values["p.y"], "p.y": -values["p.x"]}
            signals = Signals("p", step, torch.tensor(0.0), gradients)
            values, remembered = rule.step(meta_parameters, state, values, gradients, signals)
            state |= remembered
        ends[name] = math.hypot(values["p.x"].item(), values["p.y"].item())
    assert ends["lookahead"] < 1e-2 < 100 < ends["sgd"]


def test_cosine_against_that_of_torch() -> None:
    weight = torch.nn.Parameter(torch.tensor(0.0, dtype=torch.float64))
    optimiser = torch.optim.SGD([weight], 0.7)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4)
    expected = []
    for _ in range(4):
        optimiser.zero_grad()
        weight.backward()
        optimiser.step()
        schedule.step()
        expected.append(weight.item())
    places = run("cosine", [1.0] * 6, 0.7)
    assert places[:4] == pytest.approx(expected)
    last = places[3] - places[2]
    assert [places[4] - places[3], places[5] - places[4]] == pytest.approx([last, last])
