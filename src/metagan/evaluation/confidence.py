"""A mean over episodes with its 95% confidence interval, as few-shot papers print it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class Estimate(TypedDict):
    """A mean, and half the width of its 95% confidence interval."""

    mean: float
    ci95: float


def mean_and_ci95(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean of independent values (E,), and 1.96 standard deviations (of a sample) over the root of E.

    Raises:
        ValueError: fewer than two values, which have no spread.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) < 2:
        raise ValueError(f"values must be at least 2 numbers in a row, got shape {numbers.shape}")
    return {"mean": float(numbers.mean()), "ci95": float(1.96 * numbers.std(ddof=1) / np.sqrt(len(numbers)))}
