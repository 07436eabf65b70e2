"""A mixture that moves evenly from the first phase over all others to the last, without a border."""

from __future__ import annotations

from fractions import Fraction

from metagan.tasks.orders.base import Order, Shares, only


def _shares(position: Fraction, phases: int) -> Shares:
    place = position * (phases - 1)
    before = int(place)
    later = float(place - before)
    return (1 - later) * only(before, phases) + later * only(before + 1, phases)


drift = Order(_shares)
