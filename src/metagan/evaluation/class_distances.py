"""How far classes are apart, each of them a set of features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metagan.evaluation.features import Features, as_float64

Distances = NDArray[np.float64]
CLASSES_AT_ONCE = 16


def class_distances(first: Features, second: Features) -> Distances:
    """(A, B) unbiased squared MMD of classes (A, n, F) and (B, m, F), n and m of at least 2, under the kernel
    (x.y / F + 1)^3 of KID (arXiv 1801.01401). It falls below 0 where two classes are the same."""
    one, other = as_float64(first), as_float64(second)
    between = np.concatenate([_between(part, other) for part in _parts(one)])
    return _within(one)[:, None] + _within(other) - 2 * between


def nearest_other(features: Features) -> Distances:
    """(A,) distance of each class to the nearest other one of classes (A, n, F)."""
    distances = class_distances(features, features)
    np.fill_diagonal(distances, np.inf)
    return distances.min(1)


def _parts(classes: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return np.array_split(classes, -(-len(classes) // CLASSES_AT_ONCE))


def _kernel(products: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return (products / size + 1) ** 3


def _between(first: NDArray[np.float64], second: NDArray[np.float64]) -> Distances:
    """Mean kernel of an example of one class and one of another."""
    size = first.shape[-1]
    values = _kernel(first.reshape(-1, size) @ second.reshape(-1, size).T, size)
    return values.reshape(*first.shape[:2], *second.shape[:2]).mean((1, 3))


def _within(classes: NDArray[np.float64]) -> Distances:
    """Mean kernel of two different examples of a class."""
    values, count = _kernel(classes @ classes.swapaxes(1, 2), classes.shape[-1]), classes.shape[1]
    own = np.trace(values, axis1=1, axis2=2)
    return (values.sum((1, 2)) - own) / (count * (count - 1))
