"""Curves over inner steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def area(steps: Sequence[int], values: Sequence[float], last: int) -> float:
    """Mean of the values up to step `last`, by trapezoids."""
    upto = [(step, value) for step, value in zip(steps, values, strict=True) if step <= last]
    x, y = zip(*upto, strict=True)
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))
