"""Gradient descent with fixed rates, the inner step of MAML (Finn et al. 2017, equation 1)."""

from __future__ import annotations

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


def _initialise(rates: dict[str, float], steps: int) -> Parameters:
    return {RULE_PREFIX + name: torch.tensor(rate) for name, rate in rates.items()}


def _update(meta_parameters: Parameters, values: Parameters, gradients: Parameters, step: int) -> Parameters:
    return {name: value - meta_parameters[RULE_PREFIX + name] * gradients[name] for name, value in values.items()}


sgd = UpdateRule(_initialise, _update, learned=False)
