"""Frechet distances between feature distributions: FID (arXiv 1706.08500) and FJD (arXiv 1907.08175)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from metagan.errors import UserError
from metagan.evaluation.features import Features, as_float64, as_pair

LARGEST_CONDITION, CONDITIONS_PER_COMPONENT = 8, 4


class FeaturesAreInputs(nn.Module):
    """The extractor to give torchmetrics when the features are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(samples: Features, real: Features) -> float:
    """Frechet distance between Gaussians fitted to two feature matrices (N, F); 0 when they agree.

    Raises:
        ValueError: the shapes differ, or N is not above F (the covariances would be singular).
    """
    samples, real = as_pair(samples, real)
    n_samples, n_features = real.shape
    if n_samples <= n_features:
        raise UserError(
            f"a Frechet distance over {n_features} feature dimensions needs more than {n_features} samples, "
            f"not {n_samples}: use more tasks, more query images per task, or a smaller embedder feature_size"
        )
    metric = FrechetInceptionDistance(feature=FeaturesAreInputs(n_features), sync_on_compute=False)
    metric.update(torch.from_numpy(real), real=True)
    metric.update(torch.from_numpy(samples), real=False)
    return max(0.0, metric.compute().item())


def frechet_joint_distance(samples: Features, real: Features, conditions: Features, weight: float = 1.0) -> float:
    """Frechet distance between the joint distributions of [features, alpha x condition] (arXiv 1907.08175, eq. 3).

    Row i of `samples` (N, F) and of `real` (N, F) were drawn under row i of `conditions` (N, G): the mean features of
    the support set of their task. Of the conditions the principal components count, as many as `condition_size`
    allows. As in the paper's section 4.4, alpha = `weight` x (mean norm of the real features) / (mean norm of the
    conditions): at weight 1 both halves weigh the same, at 0 it is the plain Frechet distance. Alpha and components
    depend on nothing that a generator makes, so values of different generators compare.

    Raises:
        ValueError: the row counts differ, the different conditions are too few for one component, or N is not above F
            plus the number of components.
    """
    samples, real = as_pair(samples, real)
    conditions = as_float64(conditions)
    if conditions.ndim != 2 or len(conditions) != len(real):
        raise ValueError(f"conditions must be a matrix with {len(real)} rows, not of shape {conditions.shape}")
    if weight == 0:
        return frechet_distance(samples, real)
    scale = weight * np.linalg.norm(real, axis=1).mean() / max(np.linalg.norm(conditions, axis=1).mean(), 1e-12)
    components = scale * _principal_components(conditions)
    return frechet_distance(np.hstack([samples, components]), np.hstack([real, components]))


def condition_size(different: int) -> int:
    """How many dimensions of a condition can be estimated from so many different conditions.

    A task has one condition, however many of its images are compared: with fewer tasks than dimensions the covariance
    of the conditions is singular, and any class means are a linear function of them.

    Raises:
        ValueError: not even one.
    """
    if different < CONDITIONS_PER_COMPONENT:
        raise UserError(
            f"a Frechet joint distance needs tasks with at least {CONDITIONS_PER_COMPONENT} different support sets, "
            f"not {different}: use more tasks"
        )
    return min(LARGEST_CONDITION, different // CONDITIONS_PER_COMPONENT)


def _principal_components(conditions: np.ndarray) -> np.ndarray:
    """The conditions (N, G) along the directions in which the different ones differ most, (N, at most G)."""
    different = np.unique(conditions, axis=0)
    centre = different.mean(axis=0)
    _, _, directions = np.linalg.svd(different - centre, full_matrices=False)
    return (conditions - centre) @ directions[: condition_size(len(different))].T
