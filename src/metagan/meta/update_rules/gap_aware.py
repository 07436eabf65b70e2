"""The gap-aware rate of a discriminator (Hazimeh and Ponomareva 2023, arXiv 2302.00089, sections 3 and 4).

Gradient descent whose rates grow while the loss is above what it is when samples cannot be told from real images, so
that the discriminator catches up, and shrink while it is below.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates

IDEAL = math.log(4)
"""V: the loss of a non-saturating discriminator that answers 0 to all."""
GAP, LARGEST, SMALLEST = 0.1 * IDEAL, 2.0, 0.1
"""The gap at which the factor is at its end, and both ends."""


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return fixed_rates(values, rates)


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    return {f"loss.{name}": value.new_tensor(IDEAL) for name, value in values.items()}


def factor(loss: Tensor) -> Tensor:
    """clip(2^(x / 0.1 V), 1, 2) above V, clip(0.1^(x / 0.1 V), 0.1, 1) below it, with x = |loss - V|."""
    share = ((loss - IDEAL).abs() / GAP).clamp(max=1.0)
    return torch.where(loss > IDEAL, LARGEST**share, SMALLEST**share)


def gap_aware_rule(memory: float) -> UpdateRule:
    """`memory` is the share of its past that the running average of the loss keeps at each step."""

    def step(
        meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
    ) -> tuple[Parameters, State]:
        moved, remembered = {}, {}
        for name, value in values.items():
            loss = memory * state[f"loss.{name}"] + (1 - memory) * signals.loss
            remembered[f"loss.{name}"] = loss
            moved[name] = value - factor(loss) * meta_parameters[name] * gradients[name]
        return moved, remembered

    return UpdateRule(_initialise, _begin, step, learned=False)


gap_aware = gap_aware_rule(memory=0.95)
