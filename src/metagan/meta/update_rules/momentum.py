"""Gradient descent with momentum (Polyak 1964), as torch's `SGD` has it: v <- m v + g, then x <- x - rate v."""

from __future__ import annotations

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates

MOMENTUM = 0.9


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return {**fixed_rates(values, rates), "momentum": next(iter(values.values())).new_tensor(MOMENTUM)}


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    return {f"velocity.{name}": torch.zeros_like(value) for name, value in values.items()}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    momentum = meta_parameters["momentum"]
    velocity = {name: momentum * state[f"velocity.{name}"] + gradient for name, gradient in gradients.items()}
    moved = {name: value - meta_parameters[name] * velocity[name] for name, value in values.items()}
    return moved, {f"velocity.{name}": value for name, value in velocity.items()}


momentum = UpdateRule(_initialise, _begin, _step, learned=False)
