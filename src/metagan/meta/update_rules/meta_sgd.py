"""Meta-SGD (Li et al. 2017, arXiv 1707.09835, equation 3): a learned rate for each element, which may be negative."""

from __future__ import annotations

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, without_memory


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return {name: torch.full_like(value, rates[name]) for name, value in values.items()}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    return {name: value - meta_parameters[name] * gradients[name] for name, value in values.items()}, {}


meta_sgd = UpdateRule(_initialise, without_memory, _step, learned=True)
