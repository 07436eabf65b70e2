"""What may the features of a class be, after a few of its images: probabilistic linear discriminant analysis.

Features of a class are normal around its mean, and means of classes are normal, both with full covariances that are
those of the train classes (Ioffe 2006, ECCV; Prince and Elder 2007, ICCV, section 3.1). The posterior of a class's mean
is a closed form, and so is the chance that a query is of the class, or of one that was never seen.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SHRINKAGE = 0.1
"""Of the covariance within classes towards a multiple of the identity: some features hardly vary."""


class ClassPrior(NamedTuple):
    """Features x of D numbers are `(x - mean) @ basis`, in which images of a class have variance 1 around its mean, and
    the means of classes have the variances `between` (D,) around 0."""

    mean: Tensor
    basis: Tensor
    between: Tensor

    def coordinates(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, D), double precision."""
        return (features.double() - self.mean) @ self.basis


def class_prior(features: Tensor, labels: Tensor) -> ClassPrior:
    """From features (N, D) of train classes with labels (N,). Raises ValueError for classes of one image each."""
    features = features.double()
    _, own, counts = labels.unique(return_inverse=True, return_counts=True)
    if len(counts) == len(features):
        raise ValueError("labels: at least one class must have two images")
    sums = torch.zeros(len(counts), features.shape[1], dtype=torch.double).index_add(0, own, features)
    means = sums / counts[:, None]
    mean = means.mean(0)
    residuals = features - means[own]
    within = residuals.T @ residuals / (len(features) - len(counts))
    diagonal = within.diagonal().mean() * torch.eye(len(within), dtype=torch.double)
    within = (1 - SHRINKAGE) * within + SHRINKAGE * diagonal
    variances, directions = torch.linalg.eigh(within)
    whitened = directions / variances.sqrt()
    centred = (means - mean) @ whitened
    # a mean of n images has 1 / n of their variance beside that of its class
    noise = (1 / counts).mean() * torch.eye(len(within), dtype=torch.double)
    between, axes = torch.linalg.eigh(centred.T @ centred / (len(means) - 1) - noise)
    return ClassPrior(mean, whitened @ axes, between.clamp_min(1e-6))


def log_chances(
    prior: ClassPrior, means: Tensor, counts: Tensor, query: Tensor, factors: Tensor | float = 1.0
) -> tuple[Tensor, Tensor]:
    """Of queries (Q, D), the logarithm of their density in each class, (Q, N), of which the mean (N, D) of so many
    features, `counts` (N,), is known, and in a class that was never seen, (Q,). `factors` (N, D) widen the classes."""
    known, asked = prior.coordinates(means), prior.coordinates(query)
    precision = 1 / prior.between + counts[:, None]
    expected, variances = known * counts[:, None] / precision, factors * (1 + 1 / precision)
    unit = torch.linalg.slogdet(prior.basis).logabsdet
    of_class = _log_normal(asked[:, None] - expected, variances)
    return unit + of_class, unit + _log_normal(asked, 1 + prior.between)


def _log_normal(distance: Tensor, variances: Tensor) -> Tensor:
    return -(distance.square() / variances + variances.log() + math.log(2 * math.pi)).sum(-1) / 2
