"""The contract of an order."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shares: TypeAlias = NDArray[np.float64]


class Order(NamedTuple):
    """`shares(position, phases)`: chances (phases,) of a task at a position in [0, 1) to be of each phase.

    A stream has `laps` segments for each phase, all equally long.
    """

    shares: Callable[[Fraction, int], Shares]
    laps: int = 1

    def segments(self, phases: int) -> int:
        """How many parts a stream of so many phases has."""
        return self.laps * phases


def only(phase: int, phases: int) -> Shares:
    """One phase alone."""
    return np.eye(phases)[phase]
