"""Gradient descent whose rates fall to 0 along half a cosine (Loshchilov and Hutter 2017, equation 5).

Past the steps of training the rates stay at those of the last of them.
"""

from __future__ import annotations

import math

import torch

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates, without_memory


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return {**fixed_rates(values, rates), "schedule": (1 + torch.cos(math.pi * torch.arange(steps) / steps)) / 2}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    schedule = meta_parameters["schedule"]
    factor = schedule[min(signals.step, len(schedule) - 1)]
    return {name: value - meta_parameters[name] * factor * gradients[name] for name, value in values.items()}, {}


cosine = UpdateRule(_initialise, without_memory, _step, learned=False)
