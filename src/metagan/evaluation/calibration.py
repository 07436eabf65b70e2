"""Whether a classifier is as sure as it is right, and how well it tells what is of none of its classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, multiclass_calibration_error

from metagan.evaluation.confidence import Estimate, mean_and_ci95

BINS = 15
"""Of equal width, as in Guo et al. 2017."""
RESAMPLES = 200
LARGEST_LOG_TEMPERATURE = math.log(100.0)


class Certainty(TypedDict):
    """Means over E episodes with their intervals; that of the calibration error is by bootstrap over episodes."""

    accuracy: Estimate
    negative_log_likelihood: Estimate
    calibration_error: Estimate
    foreign_auroc: dict[str, Estimate]


def probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Logits (M, E, Q, N) of M adapted networks -> the mean of their probabilities (E, Q, N)."""
    return (logits / temperature).softmax(-1).mean(0)


def negative_log_likelihoods(chances: Tensor, labels: Tensor) -> Tensor:
    """(E,) means over the queries of an episode, of probabilities (E, Q, N) and labels (E, Q)."""
    logs = chances.clamp_min(torch.finfo(chances.dtype).tiny).log()
    return F.nll_loss(logs.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """What logits (M, E, Q, N) are to be divided by for the likelihood of labels (E, Q) to be highest, from 0.01 to 100
    (Guo et al. 2017, arXiv 1706.04599, section 4.2)."""

    def mean(log_temperature: float) -> float:
        chances = probabilities(logits.double(), math.exp(log_temperature))
        return negative_log_likelihoods(chances, labels).mean().item()

    bounds = (-LARGEST_LOG_TEMPERATURE, LARGEST_LOG_TEMPERATURE)
    return math.exp(minimize_scalar(mean, bounds=bounds, method="bounded").x)


def calibration_error(chances: Tensor, labels: Tensor) -> float:
    """Mean distance of what a classifier says its answers' chance is from the share that are right, over bins."""
    flat = chances.flatten(0, 1)
    return multiclass_calibration_error(flat, labels.flatten(), flat.shape[-1], BINS, "l1").item()


def foreign_auroc(own: Tensor, foreign: Tensor) -> float:
    """Chance that the classifier is surer of a query of its classes (Q,) than of one of none of them (R,): 0.5 is blind
    (Hendrycks and Gimpel 2017, arXiv 1610.02136, section 2)."""
    sure = torch.cat([own, foreign])
    return binary_auroc(sure, torch.arange(len(sure)) < len(own)).item()


def certainty(chances: Tensor, labels: Tensor, own: Tensor, foreign: Mapping[str, Tensor], seed: int) -> Certainty:
    """Of probabilities (E, Q, N) for queries with labels (E, Q), and of how sure the classifier is that a query is of
    its classes (E, Q), and that one of each foreign kind is (E, R); nothing is said of a kind without queries.

    Raises ValueError for fewer than two episodes.
    """
    right = (chances.argmax(-1) == labels).double().mean(1)
    drawn = np.random.default_rng(seed).integers(len(labels), size=(RESAMPLES, len(labels)))
    errors = [calibration_error(chances[chosen], labels[chosen]) for chosen in torch.from_numpy(drawn)]
    return {
        "accuracy": mean_and_ci95(right.numpy()),
        "negative_log_likelihood": mean_and_ci95(negative_log_likelihoods(chances, labels).double().numpy()),
        "calibration_error": {
            "mean": calibration_error(chances, labels),
            "ci95": float(1.96 * np.std(errors, ddof=1)),
        },
        "foreign_auroc": {
            kind: mean_and_ci95([foreign_auroc(*pair) for pair in zip(own, sure, strict=True)])
            for kind, sure in foreign.items()
            if sure.numel()
        },
    }
