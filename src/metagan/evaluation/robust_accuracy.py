"""Accuracy of adapted classifiers on unseen episodes, without and under attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from metagan.domains import Domain
from metagan.evaluation.confidence import mean_and_ci95
from metagan.evaluation.gradient_masking import masking_accuracies, masking_checks
from metagan.evaluation.judge import (
    AttackName,
    EpisodeModel,
    Norm,
    Threat,
    attack_images,
    correct,
    withstanding,
)
from metagan.nets.threads import intra_op_threads, single_threads
from metagan.parameters import RobustnessSettings

AdaptEpisode = Callable[[int, Tensor | None], EpisodeModel]
"""(index of an episode, images (N * K, C, H, W) in place of its support set's) -> the network adapted to it.

Called by several threads at once: they must not share a module whose parameters are swapped, nor draw random numbers
from the global generator.
"""

SupportSet = Callable[[int], tuple[Tensor, Tensor]]
"""Index of an episode -> images (N * K, C, H, W) and labels (N * K,) of its support set."""

Outcome = TypeVar("Outcome")

PICTURES = 5
PICTURE_EPSILON = 0.1


@dataclass(frozen=True)
class RobustnessResult:
    """What one classifier withstood in episodes of one shape.

    table: plain numbers, ready for JSON: `episodes`, `natural`, `robust` and `masking_checks`.
    pictures: the first query of up to 5 classes of the first episode under PGD of L-infinity radius `eps`: stored
    `clean` and `attacked` (P, *shape), int64 `label`, `clean_prediction` and `attacked_prediction` (P,), `eps` ();
    none where nothing is attacked.
    """

    table: dict[str, object]
    pictures: dict[str, np.ndarray]


def evaluate_robustness(
    domain: Domain,
    adapt: AdaptEpisode,
    support_of: SupportSet,
    settings: RobustnessSettings,
    seed: int,
    transfer_from: AdaptEpisode | None = None,
    progress: bool = True,
    workers: int | None = None,
) -> RobustnessResult:
    """Adapt to `settings.episodes` episodes and attack their queries, all of it a function of `seed`.

    A query withstands epsilon if it is recognised without an attack and under every restart of the attack at this
    and each smaller epsilon, whose balls lie inside. Accuracies are means over episodes. In rows with the `support`
    `poisoned`, the support set was attacked as well, through the network that is adapted to the clean one, before
    another network adapted to it. `transfer_from` adapts another classifier to the same episodes, for the masking
    check by transferred attacks. `workers` threads (by default one for each core) share the episodes.

    Raises:
        ValueError: AutoAttack is asked for and is not installed, or the episodes have fewer than four ways.
    """
    groups = _threats(settings)
    poison = _poisoning(settings)

    def measure(index: int) -> tuple[float, list[float], dict[str, float]]:
        model, own_seed = adapt(index, None), _episode_seed(seed, index)
        standing = correct(model.predict, model.query, model.labels)
        robust = [accuracy for threats in groups for accuracy in _accuracies(model, threats, standing, own_seed)]
        if poison:
            poisoned = adapt(index, attack_images(model.predict, *support_of(index), poison[-1], own_seed))
            unattacked = correct(poisoned.predict, poisoned.query, poisoned.labels)
            robust += _accuracies(poisoned, poison, unattacked, own_seed)
        if index >= settings.masking_episodes or not settings.attacks:
            return _share(standing), robust, {}
        source = None if transfer_from is None else transfer_from(index, None).predict
        return _share(standing), robust, masking_accuracies(model, standing, own_seed, source)

    natural, robust, masking = zip(*_in_threads(measure, settings.episodes, workers, progress), strict=True)
    rows = [("clean", threat) for threats in groups for threat in threats] + [("poisoned", it) for it in poison]
    table = {
        "episodes": settings.episodes,
        "natural": mean_and_ci95(natural),
        "robust": [
            {"attack": threat.attack, "norm": threat.norm, "eps": threat.epsilon, "support": support}
            | mean_and_ci95(accuracies)
            for (support, threat), accuracies in zip(rows, zip(*robust, strict=True), strict=True)
        ],
        "masking_checks": _checks([found for found in masking if found], support_of),
    }
    return RobustnessResult(table, _pictures(domain, adapt(0, None), settings, _episode_seed(seed, 0)))


def _checks(checked: Sequence[dict[str, float]], support_of: SupportSet) -> dict[str, Any]:
    """The checks against gradient masking, on the accuracies of some episodes."""
    if not checked:
        return {}
    n_way = len(support_of(0)[1].unique())
    return masking_checks({name: np.array([accuracies[name] for accuracies in checked]) for name in checked[0]}, n_way)


def _threats(settings: RobustnessSettings) -> list[list[Threat]]:
    """One list for each attack and norm, from the smallest epsilon to the largest."""
    radii: dict[Norm, tuple[float, ...]] = {"linf": settings.linf_epsilons, "l2": settings.l2_epsilons}
    names: list[AttackName] = ["pgd", "fgsm"] + ["auto_attack"] * settings.auto_attack
    return [
        [Threat(attack, norm, epsilon, settings.steps, settings.restarts) for epsilon in sorted(set(epsilons))]
        for attack in names
        for norm, epsilons in radii.items()
    ]


def _poisoning(settings: RobustnessSettings) -> list[Threat]:
    """What the queries meet after an attack on the support set of the last one's radius: nothing, and that attack."""
    if settings.poisoned_epsilon is None:
        return []
    return [
        Threat("pgd", "linf", epsilon, settings.steps, settings.restarts)
        for epsilon in sorted({0.0, settings.poisoned_epsilon})
    ]


def _accuracies(model: EpisodeModel, threats: Sequence[Threat], standing: Tensor, seed: int) -> list[float]:
    """Share of the queries that withstand each of the threats and those before it."""
    accuracies = []
    for threat in threats:
        if threat.epsilon > 0:
            standing = withstanding(model, threat, standing, seed)
        accuracies.append(_share(standing))
    return accuracies


def _in_threads(measure: Callable[[int], Outcome], episodes: int, workers: int | None, progress: bool) -> list[Outcome]:
    with intra_op_threads(1), single_threads(workers) as pool:
        outcomes = pool.map(measure, range(episodes))
        return list(tqdm(outcomes, "attacking", episodes, unit="episode", disable=not progress))


def _pictures(domain: Domain, model: EpisodeModel, settings: RobustnessSettings, seed: int) -> dict[str, np.ndarray]:
    if not settings.attacks:
        return {}
    threat = Threat("pgd", "linf", PICTURE_EPSILON, settings.steps)
    attacked = attack_images(model.predict, model.query, model.labels, threat, seed)
    with torch.no_grad():
        predictions = [model.predict(images).argmax(1) for images in (model.query, attacked)]
    shown = [int((model.labels == label).nonzero()[0]) for label in model.labels.unique()[:PICTURES]]
    names = ("label", "clean_prediction", "attacked_prediction")
    return {
        "clean": domain.to_stored(model.query[shown]),
        "attacked": domain.to_stored(attacked[shown]),
        **{name: labels[shown].cpu().numpy() for name, labels in zip(names, (model.labels, *predictions), strict=True)},
        "eps": np.array(PICTURE_EPSILON),
    }


def _share(recognised: Tensor) -> float:
    return float(recognised.double().mean())


def _episode_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1)[0])
