"""Adam (Kingma and Ba 2015, algorithm 1), with the constants of its paper."""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates

CONSTANTS = {"mean_decay": 0.9, "square_decay": 0.999, "epsilon": 1e-8}


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    some = next(iter(values.values()))
    return {**fixed_rates(values, rates), **{name: some.new_tensor(constant) for name, constant in CONSTANTS.items()}}


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    return {f"{part}.{name}": torch.zeros_like(value) for part in ("mean", "square") for name, value in values.items()}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    mean_decay, square_decay, epsilon = (meta_parameters[name] for name in CONSTANTS)
    count = signals.step + 1
    moved: Parameters = {}
    remembered: State = {}
    for name, gradient in gradients.items():
        mean = mean_decay * state[f"mean.{name}"] + (1 - mean_decay) * gradient
        square = square_decay * state[f"square.{name}"] + (1 - square_decay) * gradient**2
        remembered |= {f"mean.{name}": mean, f"square.{name}": square}
        root = _root(square / (1 - square_decay**count))
        moved[name] = values[name] - meta_parameters[name] * mean / (1 - mean_decay**count) / (root + epsilon)
    return moved, remembered


def _root(square: Tensor) -> Tensor:
    """With slope 0 at 0, where that of a root is infinite, and a gradient may be for ever."""
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)


adam = UpdateRule(_initialise, _begin, _step, learned=False)
