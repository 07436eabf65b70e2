"""Memorisation: are samples copies of the support images?"""

from __future__ import annotations

import numpy as np

from metagan.evaluation.features import Features, as_float64, distances


def memorisation(samples: Features, supports: Features, queries: Features, seed: int) -> float:
    """Share of samples (T, n, F) nearer to a support image than to any query image of their task, in [0, 1].

    Real images of the class score 0.5 in expectation, copies of support images 1. Sample j meets K of the support
    images (T, K, F) and K of the query images (T, Q, F) other than number j, drawn from `seed`: as many of each, and
    real images given as samples (`samples` = `queries`) never meet themselves. Where Q - 1 is below K, Q - 1 of both
    are drawn, so that a copy may miss its original. A tie counts as memorised.

    Raises:
        ValueError: fewer than 2 query images per task.
    """
    samples, supports, queries = as_float64(samples), as_float64(supports), as_float64(queries)
    n_query = queries.shape[1]
    if n_query < 2:
        raise ValueError(f"memorisation needs at least 2 query images per task, not {n_query}")
    n_drawn = min(supports.shape[1], n_query - 1)
    to_supports = distances(samples, supports)
    to_queries = distances(samples, queries)
    same_number = np.eye(samples.shape[1], n_query, dtype=bool)
    to_queries[:, same_number] = np.inf

    generator = np.random.default_rng(seed)
    nearest_support = _nearest_of_drawn(to_supports, n_drawn, generator)
    nearest_query = _nearest_of_drawn(to_queries, n_drawn, generator)
    return float((nearest_support <= nearest_query).mean())


def _nearest_of_drawn(to_images: np.ndarray, n_drawn: int, generator: np.random.Generator) -> np.ndarray:
    """The smallest of `n_drawn` finite entries drawn from each row of distances (T, n, m)."""
    order = np.where(np.isinf(to_images), np.inf, generator.random(to_images.shape))
    drawn = np.argsort(order, axis=-1)[..., :n_drawn]
    return np.take_along_axis(to_images, drawn, axis=-1).min(axis=-1)
