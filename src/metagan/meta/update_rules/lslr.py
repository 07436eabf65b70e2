"""Learned rates per tensor and step (LSLR of MAML++, Antoniou et al. 2019, section 4), factorised.

The rate of a tensor at a step is the product of a factor of the tensor and a factor of the step, so that what was
learned about a tensor holds at steps that training has not seen; their factors fall, so that adaptation settles.
"""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule

SCHEDULE = RULE_PREFIX + "schedule"
_FALL = math.log(0.7)


def _initialise(rates: dict[str, float], steps: int) -> Parameters:
    """Logarithms, so that a rate stays positive; at first the factor of step s is 1 / (1 + s)."""
    factors = {RULE_PREFIX + name: torch.tensor(math.log(rate)) for name, rate in rates.items()}
    return factors | {SCHEDULE: -torch.log1p(torch.arange(steps))}


def _update(meta_parameters: Parameters, values: Parameters, gradients: Parameters, step: int) -> Parameters:
    """Each step past the last of the schedule has 0.7 of the factor of the one before."""
    schedule = meta_parameters[SCHEDULE]
    last = min(step, len(schedule) - 1)
    factor = schedule[last] + (step - last) * _FALL
    return {
        name: value - (meta_parameters[RULE_PREFIX + name] + factor).exp() * gradients[name]
        for name, value in values.items()
    }


lslr = UpdateRule(_initialise, _update, learned=True)
