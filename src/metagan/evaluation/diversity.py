"""Diversity: how much samples of one class differ among themselves, next to real images of that class."""

from __future__ import annotations

import numpy as np

from metagan.errors import UserError
from metagan.evaluation.features import Features, as_float64


def within_class_spread(features: Features) -> float:
    """Mean Euclidean distance between two different images of one task, over the tasks of features (T, n, F).

    Unlike a variance around the mean it has the same expectation at every n >= 2.

    Raises:
        ValueError: n is below 2.
    """
    array = as_float64(features)
    n_images = array.shape[1]
    if n_images < 2:
        raise ValueError(f"diversity needs at least 2 images per task, not {n_images}")
    total = sum(np.linalg.norm(array - np.roll(array, shift, axis=1), axis=-1).sum() for shift in range(1, n_images))
    return float(total / (len(array) * n_images * (n_images - 1)))


def diversity(samples: Features, real: Features) -> float:
    """Within-class spread of samples (T, n, F) over that of real images (T, m, F): 1 is right, 0 a collapsed generator.

    Raises:
        ValueError: fewer than 2 images per task, or real images that do not differ.
    """
    real_spread = within_class_spread(real)
    if real_spread == 0:
        raise UserError("diversity needs real images that differ: all real features of each task are the same")
    return within_class_spread(samples) / real_spread
