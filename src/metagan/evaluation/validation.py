"""A cheap look at generators while they train: a few tasks, the metrics that count after adaptation."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from metagan.evaluation.diversity import diversity
from metagan.evaluation.features import Embed, blank_where_diverged, embed_images
from metagan.evaluation.frechet import frechet_joint_distance
from metagan.evaluation.recognisability import recognisability


def validation_metrics(
    embed: Embed, samples: Tensor, supports: Tensor, queries: Tensor, classes: np.ndarray, seed: int
) -> dict[str, list[float]]:
    """Recognisability, FJD and diversity, each with one value per adaptation step.

    Args:
        embed: images (N, C, H, W) in [0, 1] to features (N, F).
        samples: (T, S, n, C, H, W), S adaptation steps of T tasks; a diverged image counts as black.
        supports: (T, K, C, H, W); what the samples were adapted to.
        queries: (T, Q, C, H, W), the references of recognisability; of them and of the samples the first min(n, Q)
            enter the FJD.
        classes: (T,) class index of each task.
        seed: draws the alternatives; keep it fixed to compare steps and generators.

    Raises:
        ValueError: the tasks are too few for the FJD, or have only one class.
    """
    images = (blank_where_diverged(samples), supports, queries)
    return metrics_of_features(*(embed_images(embed, each) for each in images), classes, seed)


def metrics_of_features(
    made: np.ndarray, shown: np.ndarray, real: np.ndarray, classes: np.ndarray, seed: int
) -> dict[str, list[float]]:
    """The same of features: samples (T, S, n, F), supports (T, K, F), queries (T, Q, F)."""
    n_matched = min(made.shape[2], real.shape[1])
    conditions = np.repeat(shown.mean(axis=1), n_matched, axis=0)
    matched_real = np.concatenate(real[:, :n_matched])

    per_step = [made[:, step] for step in range(made.shape[1])]
    return {
        "recognisability": [recognisability(features, real, classes, seed) for features in per_step],
        "fjd": [
            frechet_joint_distance(np.concatenate(features[:, :n_matched]), matched_real, conditions)
            for features in per_step
        ],
        "diversity": [diversity(features, real) for features in per_step],
    }
