"""The LSTM as an optimiser: its parts against torch's own and by hand, and the quadratics of its paper, section 3.1."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.update_rules import UPDATE_RULES, initialised, shared_rule
from metagan.meta.update_rules.base import Signals
from metagan.meta.update_rules.recurrent import HIDDEN, LAYERS, preprocessed, recurrent

SIZE, UNROLLED, TRAINED, BATCH = 10, 20, 100, 32


def test_gradients_are_seen_by_logarithm_and_sign_or_as_they_are() -> None:
    """Appendix A with p = 10."""
    seen = preprocessed(torch.tensor([math.exp(-3), -math.exp(5), 2e-5, -1e-6, 0.0], dtype=torch.float64))
    expected = [[-0.3, 1.0], [0.5, -1.0], [-1.0, 2e-5 * math.exp(10)], [-1.0, -1e-6 * math.exp(10)], [-1.0, 0.0]]
    torch.testing.assert_close(seen, torch.tensor(expected, dtype=torch.float64))


def test_the_network_is_the_lstm_of_torch_for_each_element_by_itself() -> None:
    values = {"a.x": torch.zeros(2, 3), "a.y": torch.zeros(4)}
    meta_parameters = recurrent.initialise(values, {"a.x": 0.1, "a.y": 0.4}, 5, 7)
    assert math.exp(meta_parameters["log_rate"]) == pytest.approx(0.2)
    theirs = nn.LSTM(2, HIDDEN, LAYERS)
    for layer in range(LAYERS):
        getattr(theirs, f"weight_ih_l{layer}").data = meta_parameters[f"input.{layer}"]
        getattr(theirs, f"weight_hh_l{layer}").data = meta_parameters[f"recurrent.{layer}"]
        getattr(theirs, f"bias_ih_l{layer}").data = meta_parameters[f"bias.{layer}"]
        getattr(theirs, f"bias_hh_l{layer}").data.zero_()
    generator = torch.Generator().manual_seed(0)
    gradients = [{name: torch.randn(value.shape, generator=generator) for name, value in values.items()} for _ in "123"]
    seen = torch.stack([preprocessed(torch.cat([part.flatten() for part in step.values()])) for step in gradients])
    expected = 0.2 * (theirs(seen)[0] @ meta_parameters["readout"].T).squeeze(2).cumsum(0)
    state = recurrent.begin(meta_parameters, values)
    for step, own in enumerate(gradients):
        signals = Signals("a", step, torch.tensor(0.0), own)
        values, state = recurrent.step(meta_parameters, state, values, own, signals)
        torch.testing.assert_close(torch.cat([value.flatten() for value in values.values()]), expected[step])


def test_its_weights_fit_networks_of_any_size() -> None:
    small, large = {"a.x": torch.zeros(2)}, {"a.x": torch.zeros(7, 5), "b.y": torch.zeros(3)}
    first, other = (recurrent.initialise(values, dict.fromkeys(values, 0.1), 5, 0) for values in (small, large))
    assert first.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in first.items())
    assert not torch.equal(first["readout"], recurrent.initialise(small, {"a.x": 0.1}, 5, 1)["readout"])


class Quadratics(Learner):
    """A batch of |W theta - y|^2, each a row of one tensor: a rule for elements steps each as if it were alone."""

    players = ("a",)
    judges = ("",)

    def of_each(self, parameters: Parameters, task: TaskTensors) -> Tensor:
        gaps = torch.einsum("nij,nj->ni", task["matrix"], parameters["a.theta"]) - task["target"]
        return gaps.square().sum(1)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        return self.of_each(parameters, task).sum()


def quadratics(n: int, seed: int) -> TaskTensors:
    """W and y of independent standard normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "matrix": torch.randn(n, SIZE, SIZE, generator=generator),
        "target": torch.randn(n, SIZE, generator=generator),
    }


def losses(name: str, meta_parameters: Parameters, task: TaskTensors, steps: int) -> Tensor:
    """(steps,) mean losses after each step from zero; as in the paper gradients are constants."""
    start, learner = {"a.theta": torch.zeros(task["target"].shape)}, Quadratics()
    rules = shared_rule(UPDATE_RULES[name], start)
    trajectory = adapt(learner, rules, {**start, **meta_parameters}, task, steps, by_autograd, False)
    return torch.stack([learner.of_each(parameters, task).mean() for parameters, _ in trajectory])


def first(name: str, rate: float) -> Parameters:
    start = {"a.theta": torch.zeros(1, SIZE)}
    return initialised(shared_rule(UPDATE_RULES[name], start), start, {"a.theta": rate}, UNROLLED)


@pytest.mark.slow
def test_it_learns_to_beat_tuned_gradient_descent_on_quadratics() -> None:
    """At the steps that it was trained for and at five times as many, each against the best of 25 rates there."""
    learned = {name: value.requires_grad_() for name, value in first("recurrent", 0.1).items()}
    optimiser = torch.optim.Adam(learned.values(), 0.02)
    for seed in range(TRAINED):
        optimiser.zero_grad()
        losses("recurrent", learned, quadratics(BATCH, seed), UNROLLED).mean().backward()
        nn.utils.clip_grad_norm_(learned.values(), 1.0)
        optimiser.step()
    unseen = quadratics(100, 10_000)
    constant = {name: value.detach() for name, value in learned.items()}
    ours = losses("recurrent", constant, unseen, 5 * UNROLLED)
    rates = torch.logspace(-3, -1.5, 25).tolist()
    tuned = torch.stack([losses("sgd", first("sgd", rate), unseen, 5 * UNROLLED) for rate in rates])
    best = tuned.nan_to_num(nan=math.inf).amin(0)
    assert tuned.nan_to_num(nan=math.inf)[:, -1].argmin() not in (0, 24)  # the rates reach beyond the best one
    assert ours[UNROLLED - 1] < 0.8 * best[UNROLLED - 1]
    assert ours[-1] < 0.8 * best[-1]
