"""Learned rates per tensor and step (LSLR of MAML++, Antoniou et al. 2019, section 4)."""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


def _initialise(rates: dict[str, float], steps: int) -> Parameters:
    """Logarithms of rates, (steps,) per tensor, so that a rate stays positive."""
    return {RULE_PREFIX + name: torch.full((steps,), math.log(rate)) for name, rate in rates.items()}


def _update(meta_parameters: Parameters, values: Parameters, gradients: Parameters, step: int) -> Parameters:
    """Steps past the last learned one go on with its rate."""

    def rate(name: str) -> torch.Tensor:
        logarithms = meta_parameters[RULE_PREFIX + name]
        return logarithms[min(step, len(logarithms) - 1)].exp()

    return {name: value - rate(name) * gradients[name] for name, value in values.items()}


lslr = UpdateRule(_initialise, _update, learned=True)
