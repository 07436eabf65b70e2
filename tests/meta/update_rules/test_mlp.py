from __future__ import annotations

import torch

from metagan.meta.update_rules import UPDATE_RULES, Signals
from metagan.meta.update_rules.mlp import DECAYS, FEATURES, HIDDEN, SQUARE_DECAY, features

RATES = {"g.x": 0.1, "g.y": 0.4}


def test_the_hidden_layers_are_small_and_the_weights_know_no_tensor() -> None:
    assert HIDDEN <= 40
    small, large = ({"g.x": torch.zeros(*shape)} for shape in ((2,), (5, 7)))
    first = [UPDATE_RULES["mlp"].initialise(values, {"g.x": 0.1}, 3, 0) for values in (small, large)]
    assert {name: value.shape for name, value in first[0].items()} == {n: v.shape for n, v in first[1].items()}


def test_the_features_by_hand() -> None:
    """Averages of gradients and squares, each by its definition as a sum over the steps."""
    rule, values = UPDATE_RULES["mlp"], {"g.x": torch.zeros(4, dtype=torch.float64)}
    meta_parameters = rule.initialise(values, {"g.x": 0.1}, 3, 0)
    state = rule.begin(meta_parameters, values)
    generator = torch.Generator().manual_seed(0)
    past = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    for step, gradient in enumerate(past):
        signals = Signals("g", step, torch.tensor(0.0), {"g.x": gradient})
        _, state = rule.step(meta_parameters, state, values, {"g.x": gradient}, signals)
    means = [sum((1 - decay) * decay ** (2 - step) * past[step] for step in range(3)) for decay in DECAYS]
    square = sum((1 - SQUARE_DECAY) * SQUARE_DECAY ** (2 - step) * past[step] ** 2 for step in range(3))
    torch.testing.assert_close(state["square.g.x"], square)
    for index, mean in enumerate(means):
        torch.testing.assert_close(state[f"mean.{index}.g.x"], mean)
    seen = features(past[2], means, square, 2)
    assert seen.shape == (4, FEATURES)
    torch.testing.assert_close(seen[:, 0], past[2] / past[2].square().mean().sqrt())
    torch.testing.assert_close(seen[:, 5], past[2] / (square + 1e-4 * square.mean()).sqrt())
    torch.testing.assert_close(seen[0, -5:], torch.tanh(2 / torch.tensor([1.0, 3, 10, 30, 100]).double() - 1))


def test_a_tensor_in_other_units_is_stepped_alike() -> None:
    """The features of a gradient a thousand times as large are the same."""
    rule, values = UPDATE_RULES["mlp"], {"g.x": torch.zeros(4), "g.y": torch.zeros(4)}
    meta_parameters = rule.initialise(values, RATES, 3, 0)
    gradient = torch.tensor([1.0, -0.5, 2.0, 0.1])
    gradients = {"g.x": gradient, "g.y": 1000 * gradient}
    moved, _ = rule.step(
        meta_parameters, rule.begin(meta_parameters, values), values, gradients, Signals("g", 0, gradient[0], gradients)
    )
    torch.testing.assert_close(4 * moved["g.x"], moved["g.y"])  # by their rates
    assert moved["g.x"].abs().max() > 0


def test_where_the_network_is_silent_the_rule_steps_as_adam_does() -> None:
    """Torch's own, where no element's gradient is small beside the others."""
    rule, values = UPDATE_RULES["mlp"], {"g.x": torch.zeros(3)}
    first = rule.initialise(values, {"g.x": 0.02}, 5, 0)
    meta_parameters = {**first, "weight.2": torch.zeros_like(first["weight.2"])}
    other = torch.nn.Parameter(values["g.x"].clone())
    optimiser = torch.optim.Adam([other], 0.02, betas=(0.9, SQUARE_DECAY))
    state = rule.begin(meta_parameters, values)
    for step in range(5):
        gradients = {"g.x": torch.tensor([1.0, -2.0, 3.0]) * (1 + step)}
        values, state = rule.step(
            meta_parameters, state, values, gradients, Signals("g", step, torch.tensor(0.0), gradients)
        )
        other.grad = gradients["g.x"].clone()
        optimiser.step()
    torch.testing.assert_close(values["g.x"], other.detach(), rtol=1e-3, atol=1e-6)
