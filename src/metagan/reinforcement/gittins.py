"""The Gittins index of a Bernoulli arm: what a sure reward must be worth for one to prefer it to the arm."""

from __future__ import annotations

import math

import numpy as np

from metagan.reinforcement.problems import Numbers

RATES = 500
"""Sure rewards that are looked at; between them the index is interpolated."""
PRECISION = 1e-4
"""Of a value: how much of it may lie beyond the horizon."""


def gittins_table(largest: int, discount: float) -> Numbers:
    """Indices (largest + 1, largest + 1) after so many successes and failures, at most `largest` together, from a
    uniform prior; others are NaN.

    By a dynamic programme for each sure reward: keep pulling, or take the sure reward for ever; beyond a horizon an arm
    is taken at its mean. (Gittins 1979; Gittins, Glazebrook and Weber 2011, section 8.4.)
    """
    rates = np.linspace(0, 1, RATES + 1)
    last = largest + math.ceil(math.log(PRECISION) / math.log(discount))
    retirement = rates / (1 - discount)
    mean = (np.arange(last + 1) + 1) / (last + 2)
    value = np.maximum(retirement, mean[:, None] / (1 - discount))
    table = np.full((largest + 1, largest + 1), np.nan)
    for pulls in range(last - 1, -1, -1):
        wins = np.arange(pulls + 1)
        chance = ((wins + 1) / (pulls + 2))[:, None]
        going_on = chance * (1 + discount * value[1:]) + (1 - chance) * discount * value[:-1]
        if pulls <= largest:
            table[wins, pulls - wins] = _crossing(going_on - retirement, rates)
        value = np.maximum(retirement, going_on)
    return table


def _crossing(gain: Numbers, rates: Numbers) -> Numbers:
    """(S,) rates at which the gain (S, rates) from going on falls through 0."""
    before = np.clip((gain > 1e-12).sum(1) - 1, 0, len(rates) - 2)
    rows = np.arange(len(gain))
    left, right = gain[rows, before], gain[rows, before + 1]
    share = np.divide(left, left - right, out=np.zeros_like(left), where=left > right)
    return rates[before] + share.clip(0, 1) * (rates[1] - rates[0])
