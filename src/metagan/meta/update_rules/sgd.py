"""Gradient descent with fixed rates, the inner step of MAML (Finn et al. 2017, equation 1)."""

from __future__ import annotations

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates, without_memory


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return fixed_rates(values, rates)


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    return {name: value - meta_parameters[name] * gradients[name] for name, value in values.items()}, {}


sgd = UpdateRule(_initialise, without_memory, _step, learned=False)
