"""Learned rates per tensor and step (LSLR of MAML++, Antoniou et al. 2019, section 4), factorised.

The rate of a tensor at a step is the product of a factor of the tensor and a factor of the step, so that what was
learned about a tensor holds at steps that training has seen rarely or never.
"""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule

SCHEDULE = RULE_PREFIX + "schedule"
_STEPS = 20


def _initialise(rates: dict[str, float]) -> Parameters:
    """Logarithms, so that a rate stays positive; at first the rate at step s is 1 / (1 + s / 3) of the first."""
    factors = {RULE_PREFIX + name: torch.tensor(math.log(rate)) for name, rate in rates.items()}
    return factors | {SCHEDULE: -torch.log1p(torch.arange(_STEPS) / 3)}


def _update(meta_parameters: Parameters, values: Parameters, gradients: Parameters, step: int) -> Parameters:
    """Steps past the last of the schedule go on with its factor."""
    schedule = meta_parameters[SCHEDULE][min(step, _STEPS - 1)]
    return {
        name: value - (meta_parameters[RULE_PREFIX + name] + schedule).exp() * gradients[name]
        for name, value in values.items()
    }


lslr = UpdateRule(_initialise, _update, learned=True)
