from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules import UPDATE_RULES, Signals
from metagan.meta.update_rules.controller import (
    GATES,
    HIDDEN,
    STEP_AGAIN,
    act,
    rate_factor,
    seen,
    share_of_step,
    sizes,
)

RULE = UPDATE_RULES["controller"]
VALUES = {"discriminator.x": torch.zeros(3), "generator.y": torch.zeros(2)}
OF_DISCRIMINATOR = {"discriminator.x": VALUES["discriminator.x"]}
OBSERVED = torch.tensor([0.25, 1.0, 0.5])
OF_GENERATOR = {"generator.y": VALUES["generator.y"]}
RATES = {"discriminator.x": 0.1, "generator.y": 0.02}


def signals(player: str, step: int, turn: int = 0, first: bool = True, scale: float = 1.0) -> Signals:
    names = [name for name in VALUES if name.startswith(player)]
    gradients = {name: scale * torch.arange(1.0, 1 + VALUES[name].numel()) for name in names}
    return Signals(player, step, torch.tensor(0.7), gradients, turn, first, OBSERVED)


def at_rest(seed: int = 0) -> Parameters:
    """A network that sets nothing."""
    first = RULE.initialise(VALUES, RATES, 5, seed)
    return {**first, "readout": torch.zeros_like(first["readout"])}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2 + GATES, max_size=2 + GATES))
def test_actions_stay_in_their_bounds(numbers: list[float]) -> None:
    action = torch.tensor(numbers)
    for player in range(2):
        assert 0.01 * (1 - 1e-5) <= rate_factor(action, player).item() <= 100 * (1 + 1e-5)
    shares = [share_of_step(action, turn).item() for turn in range(1 + GATES)]
    assert shares[0] == 1
    assert set(shares) <= {0.0, 1.0}
    assert shares == sorted(shares, reverse=True)  # no third step without a second


def test_the_slope_of_a_further_step_is_that_of_its_probability() -> None:
    action = torch.tensor([0.0, 0.0, 3.0, 0.5], requires_grad=True)
    (slope,) = torch.autograd.grad(share_of_step(action, 1), action)
    probability = 1 / (1 + math.exp(-(3.0 + STEP_AGAIN)))
    assert slope.tolist() == pytest.approx([0, 0, probability * (1 - probability), 0])


def test_a_network_that_sets_nothing_steps_as_adam_does() -> None:
    """Torch's own, where no element's gradient is small beside the others."""
    meta_parameters, state = at_rest(), RULE.begin(at_rest(), VALUES)
    value = VALUES["generator.y"]
    other = nn.Parameter(value.clone())
    optimiser = torch.optim.Adam([other], 0.02, betas=(0.9, 0.99))
    for step in range(5):
        told = signals("generator", step, scale=1.0 + step)
        moved, remembered = RULE.step(meta_parameters, state, {"generator.y": value}, told.gradients, told)
        value, state = moved["generator.y"], {**state, **remembered}
        other.grad = told.gradients["generator.y"].clone()
        optimiser.step()
    torch.testing.assert_close(value, other.detach(), rtol=1e-3, atol=1e-6)


def test_a_step_that_is_not_taken_leaves_no_trace() -> None:
    meta_parameters, state = at_rest(), RULE.begin(at_rest(), VALUES)
    told = signals("discriminator", 0)
    values, remembered = RULE.step(meta_parameters, state, OF_DISCRIMINATOR, told.gradients, told)
    state |= remembered
    for turn in (1, 2):  # the network sets nothing, so the discriminator steps once
        told = signals("discriminator", 0, turn, first=False)
        moved, remembered = RULE.step(meta_parameters, state, values, told.gradients, told)
        assert torch.equal(moved["discriminator.x"], values["discriminator.x"])
        assert all(torch.equal(value, state[name]) for name, value in remembered.items())


def test_it_looks_once_in_an_inner_step_and_then_acts() -> None:
    meta_parameters = {**RULE.initialise(VALUES, RATES, 5, 0), "readout_bias": torch.tensor([1.0, -1.0, 2.0, 2.0])}
    state = RULE.begin(meta_parameters, VALUES)
    told = signals("discriminator", 0)
    moved, remembered = RULE.step(meta_parameters, state, OF_DISCRIMINATOR, told.gradients, told)
    expected = act(meta_parameters, state, told)
    assert torch.equal(remembered["action"], expected["action"])
    factor = rate_factor(expected["action"], 0)
    torch.testing.assert_close(moved["discriminator.x"], -0.1 * factor * torch.ones(3), rtol=1e-3, atol=0)
    later = signals("generator", 0, first=False)
    _, later_remembered = RULE.step(meta_parameters, {**state, **remembered}, OF_GENERATOR, later.gradients, later)
    assert "action" not in later_remembered


def test_what_it_sees_by_hand() -> None:
    inputs, actions = sizes(2)
    state = RULE.begin(at_rest(), VALUES)
    state |= {"loss.discriminator": torch.tensor(1.0), "loss.generator": torch.tensor(-3.0)}
    state |= {"norm.discriminator": torch.tensor(10.0), "observed": torch.tensor([0.0, 0.0, 0.8])}
    looked = seen(state, 3, OBSERVED)
    assert looked.shape == (inputs,)
    by_hand = [math.log(2), -math.log(4), math.log(10) / 10, math.log(1e-6) / 10, 0.25, 1.0, 0.5, 10 * 0.3]
    assert looked[:8].tolist() == pytest.approx(by_hand, rel=1e-5)
    assert looked[8 : 8 + actions].tolist() == [0] * actions
    assert seen(state, 0, OBSERVED)[7] == 0  # nothing has fallen before the first step


def test_the_cell_is_that_of_torch() -> None:
    inputs, _ = sizes(2)
    meta_parameters, state = RULE.initialise(VALUES, RATES, 5, 0), RULE.begin(at_rest(), VALUES)
    cell = nn.LSTMCell(inputs, HIDDEN)
    with torch.no_grad():
        cell.weight_ih.copy_(meta_parameters["input.0"])
        cell.weight_hh.copy_(meta_parameters["recurrent.0"])
        cell.bias_ih.copy_(meta_parameters["bias.0"])
        cell.bias_hh.zero_()
    told = signals("discriminator", 2)
    hidden, _ = cell(seen(state, told.step, told.observed)[None])
    torch.testing.assert_close(act(meta_parameters, state, told)["hidden"], hidden.detach())
