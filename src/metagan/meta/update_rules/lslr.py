"""Learned rates per tensor and step (LSLR of MAML++, Antoniou et al. 2019, section 4), factorised.

The rate of a tensor at a step is the product of a factor of the tensor and a factor of the step, so that what was
learned about a tensor holds at steps that training has not seen; their factors fall, so that adaptation settles.
"""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, without_memory

_FALL = math.log(0.7)


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    """Logarithms, so that a rate stays positive; at first the factor of step s is 1 / (1 + s)."""
    logarithms = {name: value.new_tensor(math.log(rates[name])) for name, value in values.items()}
    return {**logarithms, "schedule": -torch.log1p(torch.arange(steps))}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    """Each step past the last of the schedule has 0.7 of the factor of the one before."""
    schedule, step = meta_parameters["schedule"], signals.step
    last = min(step, len(schedule) - 1)
    factor = schedule[last] + (step - last) * _FALL
    moved = {name: value - (meta_parameters[name] + factor).exp() * gradients[name] for name, value in values.items()}
    return moved, {}


lslr = UpdateRule(_initialise, without_memory, _step, learned=True)
