"""Precision, recall, density and coverage: fidelity and diversity apart (arXiv 2002.09797)."""

from __future__ import annotations

import numpy as np

from metagan.errors import UserError
from metagan.evaluation.features import Features, as_pair, distances


def prdc(samples: Features, real: Features, nearest_neighbours: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of samples (N, F) next to real features (N, F) (section 3).

    A ball around each point reaches its k-th nearest neighbour in its own set. Precision: share of samples in a real
    ball. Recall: share of real images in a sample's ball. Density: real balls around a sample, over k (may exceed 1).
    Coverage: share of real balls that hold a sample.

    Raises:
        ValueError: the shapes differ, or N is not above `nearest_neighbours`.
    """
    samples, real = as_pair(samples, real)
    if not 1 <= nearest_neighbours < len(real):
        raise UserError(
            f"evaluate.nearest_neighbours must be between 1 and the number of samples - 1 ({len(real) - 1}), "
            f"not {nearest_neighbours}"
        )
    apart = distances(real, samples)
    in_real_ball = apart < _radii(real, nearest_neighbours)[:, None]
    in_sample_ball = apart < _radii(samples, nearest_neighbours)[None, :]
    return {
        "precision": float(in_real_ball.any(axis=0).mean()),
        "recall": float(in_sample_ball.any(axis=1).mean()),
        "density": float(in_real_ball.sum(axis=0).mean() / nearest_neighbours),
        "coverage": float(in_real_ball.any(axis=1).mean()),
    }


def _radii(points: np.ndarray, nearest_neighbours: int) -> np.ndarray:
    """Distance of each point to its k-th nearest neighbour; index 0 of the sorted distances is the point itself."""
    return np.partition(distances(points, points), nearest_neighbours, axis=1)[:, nearest_neighbours]
