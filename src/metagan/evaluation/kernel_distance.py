"""Kernel distance between feature distributions: KID (arXiv 1801.01401)."""

from __future__ import annotations

import warnings

import torch
from torchmetrics.image.kid import KernelInceptionDistance

from metagan.evaluation.features import Features, as_pair
from metagan.evaluation.frechet import FeaturesAreInputs
from metagan.nets.randomness import seeded


def kernel_distance(samples: Features, real: Features, seed: int, subsets: int = 50, subset_size: int = 200) -> float:
    """Unbiased squared MMD of two feature matrices (N, F) under the kernel (x.y / F + 1)^3, a mean over random subsets.

    Subsets of min(N, `subset_size`) rows are drawn from `seed`. Unbiased means that it falls below 0 when the
    distributions agree.

    Raises:
        ValueError: the shapes differ, or N is below 2.
    """
    samples, real = as_pair(samples, real)
    n_samples, n_features = real.shape
    if n_samples < 2:
        raise ValueError(f"a kernel distance needs at least 2 samples, not {n_samples}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all extracted features")
        metric = KernelInceptionDistance(
            feature=FeaturesAreInputs(n_features),
            subsets=subsets,
            subset_size=min(n_samples, subset_size),
            sync_on_compute=False,
        )
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(samples), real=False)
    with seeded(seed):
        mean, _ = metric.compute()
    return mean.item()
