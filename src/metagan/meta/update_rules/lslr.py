"""A learned rate for each tensor (LSLR of MAML++, Antoniou et al. 2019, section 4, shared by all steps)."""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


def _initialise(rates: dict[str, float]) -> Parameters:
    """Logarithms of the rates, so that a rate stays positive."""
    return {RULE_PREFIX + name: torch.tensor(math.log(rate)) for name, rate in rates.items()}


def _update(meta_parameters: Parameters, values: Parameters, gradients: Parameters) -> Parameters:
    return {name: value - meta_parameters[RULE_PREFIX + name].exp() * gradients[name] for name, value in values.items()}


lslr = UpdateRule(_initialise, _update, learned=True)
