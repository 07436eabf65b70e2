"""Meta-gradients of a quadratic problem, worked out by hand.

Inner loss of step s: (w - a_s)' A (w - a_s) / 2; outer loss (w - b)' B (w - b) / 2. With rates P_s (diagonal) a step
is w -> w - P_s A (w - a_s), so that a change t of anything passes on as t -> (I - P_s A) t - dP_s A (w - a_s), to
first order as t -> t - dP_s A (w - a_s).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.meta.differentiation import Differentiate, Parameters, by_autograd, by_functional
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, separate_rules, shared_rule

CURVATURE = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, -0.2], [0.3, -0.2, 1.5]])
OUTER_CURVATURE = np.array([[1.0, 0.2, 0.0], [0.2, 3.0, 0.4], [0.0, 0.4, 0.5]])
START = np.array([1.0, -2.0, 0.5])
SUPPORT = np.array([[0.3, 0.7, -1.0], [0.1, -0.4, 2.0], [1.2, 0.0, -0.3]])
QUERY = np.array([-0.5, 1.5, 0.8])
RATES = {"player.first": 0.15, "player.second": 0.4}
RATE_OF_EACH = np.array([0.15, 0.15, 0.4])
OF_TENSOR = {"player.first": np.array([1, 1, 0]), "player.second": np.array([0, 0, 1])}
SCHEDULED = 2  # the third step is past the schedule of learned rates
FACTORS = {"sgd": [1.0, 1.0, 1.0], "lslr": [1.0, 0.5, 0.7 * 0.5]}

each_engine = pytest.mark.parametrize("differentiate", [by_autograd, by_functional])
each_rule = pytest.mark.parametrize("update_rule", ["sgd", "lslr"])
each_weighting = pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0, 1.0], [0.2, 0.6, 1.0]], ids=str)


def joined(parameters: Parameters) -> Tensor:
    return torch.cat([parameters["player.first"], parameters["player.second"]])


@dataclass
class Quadratic(Learner):
    """One player with two tensors; the support point differs from step to step."""

    players: tuple[str, ...] = ("player",)
    judges: tuple[str, ...] = ("",)
    steps_seen: list[int] = field(default_factory=list)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        self.steps_seen.append(step)
        gap = joined(parameters) - task["support"][step]
        return 0.5 * gap @ torch.from_numpy(CURVATURE) @ gap

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        gaps = [joined(parameters) - task["query"] for parameters in trajectory]
        losses = [0.5 * gap @ torch.from_numpy(OUTER_CURVATURE) @ gap for gap in gaps]
        return sum(weight * loss for weight, loss in zip(weights, losses, strict=True))


def rates_of_step(update_rule: str, step: int) -> np.ndarray:
    return FACTORS[update_rule][step] * RATE_OF_EACH


def path(update_rule: str, steps: int) -> list[np.ndarray]:
    points = [START]
    for step in range(steps):
        points.append(points[-1] - rates_of_step(update_rule, step) * (CURVATURE @ (points[-1] - SUPPORT[step])))
    return points


def outer_gradient(point: np.ndarray) -> np.ndarray:
    return OUTER_CURVATURE @ (point - QUERY)


def slope(
    update_rule: str, weights: list[float], second_order: bool, start: np.ndarray, rates: Sequence[np.ndarray]
) -> float:
    """Slope of the weighted outer losses when the start moves by `start` and the rates of step s by `rates[s]`."""
    points, change, total = path(update_rule, len(weights)), start, 0.0
    for step, weight in enumerate(weights):
        through = np.eye(3)
        if second_order:
            through = through - rates_of_step(update_rule, step)[:, None] * CURVATURE
        change = through @ change - rates[step] * (CURVATURE @ (points[step] - SUPPORT[step]))
        total += weight * change @ outer_gradient(points[step + 1])
    return total


def expected_gradients(update_rule: str, weights: list[float], second_order: bool) -> dict[str, np.ndarray]:
    """Of the start, of each tensor's (log) rate, and of the schedule where there is one."""
    still = [np.zeros(3)] * len(weights)
    expected = {"start": [slope(update_rule, weights, second_order, axis, still) for axis in np.eye(3)]}
    for name, mask in OF_TENSOR.items():
        scale = RATE_OF_EACH if update_rule == "lslr" else 1.0
        moves = [mask * factor * scale for factor in FACTORS[update_rule]]
        expected[f"rule.{name}"] = slope(update_rule, weights, second_order, np.zeros(3), moves)
    if update_rule == "lslr":
        moves_of = [
            [(min(step, SCHEDULED - 1) == place) * rates_of_step(update_rule, step) for step in range(3)]
            for place in range(SCHEDULED)
        ]
        expected["rule.schedule"] = [
            slope(update_rule, weights, second_order, np.zeros(3), moves) for moves in moves_of
        ]
    return expected


def rules_of(update_rule: str) -> Rules:
    return shared_rule(UPDATE_RULES[update_rule], RATES)


def meta_parameters(update_rule: str) -> Parameters:
    networks = {"player.first": torch.from_numpy(START[:2].copy()), "player.second": torch.from_numpy(START[2:].copy())}
    rule = initialised(rules_of(update_rule), networks, RATES, SCHEDULED)
    parameters = networks | {name: value.double() for name, value in rule.items()}
    return {name: value.requires_grad_() for name, value in parameters.items()}


def computed(
    meta_gradient: str, update_rule: str, weights: list[float], differentiate: Differentiate
) -> tuple[float, dict[str, np.ndarray], Quadratic]:
    """Value, gradients, and the learner that was asked."""
    parameters, learner = meta_parameters(update_rule), Quadratic()
    task = {"support": torch.from_numpy(SUPPORT), "query": torch.from_numpy(QUERY)}
    value = META_GRADIENTS[meta_gradient](learner, rules_of(update_rule), parameters, task, weights, differentiate)
    gradients = torch.autograd.grad(value, list(parameters.values()), materialize_grads=True)
    by_name = dict(zip(parameters, gradients, strict=True))
    rule = {name: gradient.numpy() for name, gradient in by_name.items() if name.startswith("rule.")}
    return value.item(), {"start": joined(by_name).numpy(), **rule}, learner


def assert_equal(gradients: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        # The schedule is stored in float32.
        np.testing.assert_allclose(gradient, expected[name], rtol=1e-5, atol=1e-8, err_msg=name)


@each_engine
@each_rule
@each_weighting
def test_maml(differentiate: Differentiate, update_rule: str, weights: list[float]) -> None:
    _, gradients, _ = computed("maml", update_rule, weights, differentiate)
    assert_equal(gradients, expected_gradients(update_rule, weights, second_order=True))


def test_maml_with_one_fixed_rate_is_a_power_of_one_matrix() -> None:
    """The textbook form: (M')^k B (w_k - b) with M = I - P A."""
    _, gradients, _ = computed("maml", "sgd", [0.0, 0.0, 1.0], by_autograd)
    step = np.eye(3) - RATE_OF_EACH[:, None] * CURVATURE
    expected = np.linalg.matrix_power(step.T, 3) @ outer_gradient(path("sgd", 3)[3])
    np.testing.assert_allclose(gradients["start"], expected, rtol=1e-5)


@each_engine
@each_rule
@each_weighting
def test_first_order_maml(differentiate: Differentiate, update_rule: str, weights: list[float]) -> None:
    """Each step passes the gradient unchanged; rates still have one."""
    _, gradients, _ = computed("fomaml", update_rule, weights, differentiate)
    assert_equal(gradients, expected_gradients(update_rule, weights, second_order=False))
    points = path(update_rule, len(weights))
    plain = sum(weight * outer_gradient(point) for weight, point in zip(weights, points[1:], strict=True))
    np.testing.assert_allclose(gradients["start"], plain, rtol=1e-5)


@each_engine
@each_rule
def test_reptile(differentiate: Differentiate, update_rule: str) -> None:
    """The way from the end of the path back to the start; the rule learns nothing."""
    value, gradients, _ = computed("reptile", update_rule, [0.2, 1.0], differentiate)
    way = START - path(update_rule, 2)[-1]
    assert value == pytest.approx(0.5 * way @ way, rel=1e-5)
    np.testing.assert_allclose(gradients.pop("start"), way, rtol=1e-5)
    assert all((gradient == 0).all() for gradient in gradients.values())


@pytest.mark.parametrize("meta_gradient", ["maml", "fomaml"])
@each_rule
@each_weighting
def test_the_value_is_the_weighted_outer_loss(meta_gradient: str, update_rule: str, weights: list[float]) -> None:
    value, _, _ = computed(meta_gradient, update_rule, weights, by_autograd)
    gaps = [point - QUERY for point in path(update_rule, len(weights))[1:]]
    expected = sum(weight * 0.5 * gap @ OUTER_CURVATURE @ gap for weight, gap in zip(weights, gaps, strict=True))
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("meta_gradient", META_GRADIENTS)
def test_each_step_knows_its_number(meta_gradient: str) -> None:
    """Each step has noise of its own."""
    *_, learner = computed(meta_gradient, "sgd", [0.2, 0.5, 1.0], by_autograd)
    assert learner.steps_seen == [0, 1, 2]


def test_a_tensor_that_no_rule_adapts_stays_and_is_still_meta_learned() -> None:
    """Its gradient comes directly and through the tensors that adapt."""
    parameters = meta_parameters("sgd")
    del parameters["rule.player.second"]
    task = {"support": torch.from_numpy(SUPPORT), "query": torch.from_numpy(QUERY)}
    rules = shared_rule(UPDATE_RULES["sgd"], ["player.first"])
    value = META_GRADIENTS["maml"](Quadratic(), rules, parameters, task, [1.0], by_autograd)
    gradients = torch.autograd.grad(value, [parameters["player.first"], parameters["player.second"]])
    rates = np.array([0.15, 0.15, 0.0])
    point = START - rates * (CURVATURE @ (START - SUPPORT[0]))
    expected = (np.eye(3) - rates[:, None] * CURVATURE).T @ outer_gradient(point)
    np.testing.assert_allclose(torch.cat(gradients).numpy(), expected, rtol=1e-5)


class TwoPlayers(Learner):
    """x chases 2 y, then y chases x; one judge for each player."""

    players = ("x", "y")
    judges = ("x", "y")

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        x, y = parameters["x.value"], parameters["y.value"]
        return 0.5 * (x - 2 * y) ** 2 if player == "x" else 0.5 * (y - x) ** 2

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        x, y = trajectory[-1]["x.value"], trajectory[-1]["y.value"]
        return 3 * x + y if judge == "x" else 5 * x * x + 7 * y


@each_engine
def test_players_take_turns_and_each_judge_moves_its_own_player(differentiate: Differentiate) -> None:
    """With rate r: x' = x - r (x - 2 y), then y' = y - r (y - x') sees the new x.

    The judge of x differentiates 3 x' + y' in x and its rate alone, the judge of y 5 x'^2 + 7 y' in y and its rate.
    """
    rate, x, y = 0.25, 1.5, -0.5
    parameters = {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in {"x.value": x, "y.value": y, "rule.x.value": rate, "rule.y.value": rate}.items()
    }
    task = {"support": torch.zeros((), dtype=torch.float64)}
    rules = shared_rule(UPDATE_RULES["sgd"], ["x.value", "y.value"])
    value = META_GRADIENTS["maml"](TwoPlayers(), rules, parameters, task, [1.0], differentiate)
    gradients = [gradient.item() for gradient in torch.autograd.grad(value, list(parameters.values()))]
    new_x = x - rate * (x - 2 * y)
    new_y = y - rate * (y - new_x)
    assert value.item() == pytest.approx(3 * new_x + new_y + 5 * new_x**2 + 7 * new_y)
    assert gradients == pytest.approx(
        [
            (3 + rate) * (1 - rate),
            10 * new_x * 2 * rate + 7 * (1 - rate + rate * 2 * rate),
            (3 + rate) * -(x - 2 * y),
            7 * -(y - new_x),
        ]
    )


@each_engine
def test_what_players_share_gets_a_gradient_from_the_judge_of_each(differentiate: Differentiate) -> None:
    """As much as two schedules would together of which each player has one, and the moves of the other are given.

    With first rate r and schedule factor f the rate is r f; its logarithm moves x' by -r f (x - 2 y), y' likewise.
    """
    rate, x, y = 0.25, 1.5, -0.5
    start = {name: torch.tensor(value, dtype=torch.float64) for name, value in {"x.value": x, "y.value": y}.items()}
    task = {"support": torch.zeros((), dtype=torch.float64)}
    lslr = UPDATE_RULES["lslr"]

    def gradients_of(rules: Rules) -> dict[str, float]:
        learned = initialised(rules, start, dict.fromkeys(start, rate), 1)
        parameters = {name: value.double().requires_grad_() for name, value in {**start, **learned}.items()}
        value = META_GRADIENTS["maml"](TwoPlayers(), rules, parameters, task, [1.0], differentiate)
        gradients = torch.autograd.grad(value, list(parameters.values()))
        return {name: gradient.item() for name, gradient in zip(parameters, gradients, strict=True)}

    shared = gradients_of(shared_rule(lslr, start))
    separate = gradients_of(separate_rules({"x": lslr, "y": lslr}, start))
    new_x = x - rate * (x - 2 * y)
    of_x, of_y = (3 + rate) * -rate * (x - 2 * y), 7 * -rate * (y - new_x)
    assert separate["rule.x.schedule"] == pytest.approx(of_x)
    assert separate["rule.y.schedule"] == pytest.approx(of_y)
    assert shared["rule.schedule"] == pytest.approx(of_x + of_y)
    assert shared["rule.x.value"] == separate["rule.x.x.value"] == pytest.approx(of_x)
    assert {name: shared[name] for name in start} == {name: separate[name] for name in start}
