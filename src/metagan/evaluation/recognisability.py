"""Recognisability: can an embedder tell for which class a sample was made?"""

from __future__ import annotations

import numpy as np

from metagan.errors import UserError
from metagan.evaluation.features import Features, as_float64

N_WAY = 20


def n_way_of(classes: np.ndarray) -> int:
    """The number of ways of each decision: 20, or the number of different classes where there are fewer.

    Raises:
        ValueError: there is only one class, so nothing to decide.
    """
    n_classes = len(np.unique(classes))
    if n_classes < 2:
        raise UserError("recognisability needs tasks of at least 2 different classes")
    return min(N_WAY, n_classes)


def recognisability(samples: Features, references: Features, classes: np.ndarray, seed: int) -> float:
    """Share of samples (T, n, F) that a 20-way 1-shot decision gives to the class they were made for, in [0, 1].

    `references` (D, R, F), D >= T, are real images of D tasks with class indices `classes` (D,), to which no generator
    has adapted: copies would be recognised by them. The samples belong to the first T. Each sample has a decision of
    its own: one reference of its task against one of each of 19 other classes, nearest in squared Euclidean distance
    (arXiv 1703.05175), a tie counting as wrong. Classes and images are drawn from `seed` alone, so that every arm and
    step gets the same decisions.

    Raises:
        ValueError: the tasks have only one class.
    """
    samples, references = as_float64(samples), as_float64(references)
    n_tasks, n_samples, _ = samples.shape
    task = np.repeat(np.arange(n_tasks), n_samples)
    rows, images = _draw_decisions(task, np.asarray(classes), references.shape[1], seed)
    distances = ((samples.reshape(len(task), 1, -1) - references[rows, images]) ** 2).sum(axis=-1)
    return float((distances[:, 0] < distances[:, 1:].min(axis=1)).mean())


def _draw_decisions(
    task: np.ndarray, classes: np.ndarray, n_references: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tasks and numbers of the references (len(task), n_way) of each decision; those of the sample's own task first."""
    generator = np.random.default_rng(seed)
    _, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    first = np.cumsum(counts) - counts

    order = generator.random((len(task), len(counts)))
    order[np.arange(len(task)), inverse[task]] = -1.0
    chosen = np.argsort(order, axis=1)[:, : n_way_of(classes)]
    rows = by_class[first[chosen] + generator.integers(counts[chosen])]
    rows[:, 0] = task
    return rows, generator.integers(n_references, size=rows.shape)
