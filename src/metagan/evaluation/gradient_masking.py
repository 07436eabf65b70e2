"""Checks that a classifier withstands an attack, and does not only hide its gradients from it.

After the signs of masked gradients in Athalye et al. 2018 (arXiv 1802.00420, section 3.1) and the checklist of
Carlini et al. 2019 (arXiv 1902.06705). All attacks here are L-infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.confidence import mean_and_ci95
from metagan.evaluation.judge import EpisodeModel, Predictor, Threat, attack_images, correct, withstanding

EPSILON = 0.3
"""So wide that an attack with gradients must beat noise, even on a classifier that was trained against it."""

STEPS = ("PGD-5", "PGD-20", "PGD-50")
DIRECT = Threat("pgd", "linf", EPSILON, steps=20)
THREATS = {
    "PGD-5": Threat("pgd", "linf", EPSILON, steps=5),
    "PGD-20": DIRECT,
    "PGD-50": Threat("pgd", "linf", EPSILON, steps=50),
    "FGSM": Threat("fgsm", "linf", EPSILON),
    "PGD-20 at epsilon 1": Threat("pgd", "linf", 1.0, steps=20),
}


class Check(TypedDict):
    passed: bool
    detail: str


def masking_accuracies(
    model: EpisodeModel, standing: Tensor, seed: int, transfer_from: Predictor | None = None
) -> dict[str, float]:
    """Share of the queries of one episode that are recognised under each attack and, by `standing` (N,), without.

    Beside `THREATS` it is tried with noise and, given another network for the same queries in `transfer_from`, with
    images that were made to fool that one.
    """
    survivors = {name: withstanding(model, threat, standing, seed) for name, threat in THREATS.items()}
    survivors["noise"] = standing & correct(model.predict, _sign_noise(model.query, seed), model.labels)
    if transfer_from is not None:
        transferred = attack_images(transfer_from, model.query, model.labels, DIRECT, seed)
        survivors["transferred PGD-20"] = standing & correct(model.predict, transferred, model.labels)
    return {name: float(still.double().mean()) for name, still in survivors.items()}


def masking_checks(accuracies: Mapping[str, np.ndarray], n_way: int) -> dict[str, Check]:
    """Judge accuracies (E,), one for each of at least 2 episodes, under the names of `masking_accuracies`.

    Only what the 95% confidence interval supports counts, for two attacks that of the difference within an episode.
    Without a transferred attack its check is left out.
    """
    at_one, chance = mean_and_ci95(accuracies["PGD-20 at epsilon 1"]), 1 / n_way
    checks: dict[str, Check] = {
        "chance_at_epsilon_1": {
            "passed": at_one["mean"] - at_one["ci95"] <= chance,
            "detail": f"PGD-20 at epsilon 1 leaves {at_one['mean']:.1%}, chance is {chance:.1%}",
        },
        "more_steps_never_help_the_defender": {
            "passed": all(_is_no_weaker(accuracies, more, fewer) for fewer, more in pairwise(STEPS)),
            "detail": _left(accuracies, *STEPS),
        },
        "pgd_beats_noise": {
            "passed": _is_stronger(accuracies, "PGD-20", "noise"),
            "detail": _left(accuracies, "PGD-20", "noise"),
        },
        "pgd_is_no_weaker_than_fgsm": {
            "passed": _is_no_weaker(accuracies, "PGD-20", "FGSM"),
            "detail": _left(accuracies, "PGD-20", "FGSM"),
        },
    }
    if "transferred PGD-20" in accuracies:
        checks["transferred_attack_is_no_stronger"] = {
            "passed": _is_no_weaker(accuracies, "PGD-20", "transferred PGD-20"),
            "detail": _left(accuracies, "PGD-20", "transferred PGD-20"),
        }
    return checks


def _sign_noise(images: Tensor, seed: int) -> Tensor:
    """Every pixel moves by epsilon up or down, which is as far as an attack can go."""
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, images.shape, generator=generator).to(images) * 2 - 1
    return (images + EPSILON * signs).clamp(0, 1)


def _is_stronger(accuracies: Mapping[str, np.ndarray], attack: str, other: str) -> bool:
    difference = mean_and_ci95(accuracies[attack] - accuracies[other])
    return difference["mean"] + difference["ci95"] < 0


def _is_no_weaker(accuracies: Mapping[str, np.ndarray], attack: str, other: str) -> bool:
    difference = mean_and_ci95(accuracies[attack] - accuracies[other])
    return difference["mean"] - difference["ci95"] <= 0


def _left(accuracies: Mapping[str, np.ndarray], *names: str) -> str:
    shares = (f"{name} leaves {accuracies[name].mean():.1%}" for name in names)
    return f"at epsilon {EPSILON}, " + ", ".join(shares)
