"""A recurrent network as an optimiser (Andrychowicz et al. 2016, arXiv 1606.04474).

One LSTM of two layers steps every element by itself, with a memory for each (section 2.1); it sees the gradient's
logarithm and sign (appendix A). Its weights know no tensor, so that it fits networks of any size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule
from metagan.meta.update_rules.lstm import lstm_cell, uniform

LAYERS, HIDDEN = 2, 20
RANGE = 10.0
"""p of appendix A: gradients below exp(-p) are seen as they are, others by their logarithm."""


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    """Uniform weights as torch's LSTM has them; the outputs are scaled by the geometric mean of the rates."""
    generator = torch.Generator().manual_seed(seed)
    some = next(iter(values.values()))

    def drawn(*shape: int) -> Tensor:
        return uniform(generator, HIDDEN, *shape).to(some)

    log_rate = sum(math.log(rates[name]) for name in values) / len(values)
    weights = {"log_rate": some.new_tensor(log_rate), "readout": drawn(1, HIDDEN)}
    for layer in range(LAYERS):
        weights[f"input.{layer}"] = drawn(4 * HIDDEN, HIDDEN if layer else 2)
        weights[f"recurrent.{layer}"] = drawn(4 * HIDDEN, HIDDEN)
        weights[f"bias.{layer}"] = drawn(4 * HIDDEN)
    return weights


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    return {
        f"{part}.{layer}.{name}": value.new_zeros(*value.shape, HIDDEN)
        for part in ("hidden", "cell")
        for layer in range(LAYERS)
        for name, value in values.items()
    }


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    """All elements of the player at once, as rows of one matrix."""
    sizes = [value.numel() for value in values.values()]

    def together(part: str) -> Tensor:
        return torch.cat([state[f"{part}.{name}"].reshape(-1, HIDDEN) for name in values])

    def apart(rows: Tensor, *last: int) -> dict[str, Tensor]:
        parts = zip(values.items(), rows.split(sizes), strict=True)
        return {name: part.reshape((*value.shape, *last)) for (name, value), part in parts}

    seen = preprocessed(torch.cat([gradients[name].reshape(-1) for name in values]))
    remembered: State = {}
    for layer in range(LAYERS):
        hidden, cell = lstm_cell(meta_parameters, layer, seen, together(f"hidden.{layer}"), together(f"cell.{layer}"))
        for part, rows in (("hidden", hidden), ("cell", cell)):
            remembered |= {f"{part}.{layer}.{name}": value for name, value in apart(rows, HIDDEN).items()}
        seen = hidden
    changes = apart(meta_parameters["log_rate"].exp() * (seen @ meta_parameters["readout"].T))
    return {name: value + changes[name] for name, value in values.items()}, remembered


def preprocessed(gradients: Tensor) -> Tensor:
    """(N,) -> (N, 2): logarithm of the magnitude and sign, or -1 and the gradient itself (appendix A)."""
    large = gradients.abs() >= math.exp(-RANGE)
    magnitude = torch.where(large, gradients.abs(), 1.0).log() / RANGE
    direction = torch.where(large, gradients.sign(), math.exp(RANGE) * gradients)
    return torch.stack([torch.where(large, magnitude, -1.0), direction], 1)


recurrent = UpdateRule(_initialise, _begin, _step, learned=True)
