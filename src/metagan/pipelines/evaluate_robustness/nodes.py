"""Nodes that measure classifiers on unseen classes, without and, where a domain has attacks, under attack."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metagan.evaluation.robust_accuracy import evaluate_robustness
from metagan.identity import as_array, together
from metagan.parameters import RobustnessSettings
from metagan.reporting.measures import HEADLINE_EPSILON
from metagan.tasks.bank import TaskBank
from metagan.training.adapted_episodes import adapted_episodes, support_sets
from metagan.training.saved import ClassifierHeader, SavedModel

Pictures = dict[str, NDArray[np.generic]]


def evaluate(
    bank: TaskBank,
    classifier: SavedModel[ClassifierHeader],
    natural_classifier: SavedModel[ClassifierHeader],
    settings: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], Pictures]:
    """Both classifiers in every shape of episode; attacks made for one are tried on the other.

    One that was trained without an adversary is its own natural twin.
    """
    origin = together(
        "evaluate_robustness",
        task_bank=bank.identity,
        classifier=classifier.identity("classifier"),
        natural_classifier=natural_classifier.identity("natural_classifier"),
    )
    twin = classifier.header.settings.adversary.where == "none"
    classifiers = [classifier] if twin else [classifier, natural_classifier]
    table, pictures = measure(bank, classifiers, RobustnessSettings.model_validate(settings), seed)
    return {"made_from": origin, **table}, pictures | as_array(origin)


def measure(
    bank: TaskBank, classifiers: list[SavedModel[ClassifierHeader]], settings: RobustnessSettings, seed: int
) -> tuple[dict[str, Any], Pictures]:
    """One row for each classifier and shape of episode, and the pictures of each row stacked.

    Raises ValueError when a classifier does not fit the number of ways, or the classes are too few or too small.
    """
    prepared = []
    for n_way, k_shot in product(settings.n_way, settings.k_shot):
        shape = (bank, settings.split, seed, n_way, k_shot, settings.n_query)
        adapts = [adapted_episodes(classifier, *shape) for classifier in classifiers]
        support_of = support_sets(*shape)
        support_of(0)  # classes too few or too small are told before the first attack
        prepared.append((n_way, k_shot, adapts, support_of))
    rows, pictures = [], []
    for n_way, k_shot, adapts, support_of in prepared:
        for index, classifier in enumerate(classifiers):
            transfer_from = adapts[index - 1] if len(adapts) > 1 else None
            result = evaluate_robustness(bank.domain, adapts[index], support_of, settings, seed, transfer_from)
            rows.append({**description(classifier, n_way, k_shot), **result.table})
            pictures.append(result.pictures)
    if not settings.attacks:
        return {"models": rows}, {}
    fewest = min(len(part["label"]) for part in pictures)  # a shape of two ways has two
    return {"models": rows}, {
        name: np.stack([part[name][:fewest] if part[name].ndim else part[name] for part in pictures])
        for name in pictures[0]
    }


def description(classifier: SavedModel[ClassifierHeader], n_way: int, k_shot: int) -> dict[str, Any]:
    """What a row of the table says about its classifier."""
    settings = classifier.header.settings
    return {
        "method": settings.method,
        "adversary": settings.adversary.where,
        "n_way": n_way,
        "k_shot": k_shot,
        "transductive": settings.network.batch_norm == "transductive",
        "seconds": {"meta_train": classifier.header.provenance.seconds},
    }


def under_attack(model: dict[str, Any]) -> dict[str, Any] | None:
    """The row of a model of robustness.json under linf PGD on query images, at the radius nearest to the headline's;
    None where nothing was attacked."""
    rows = [
        row for row in model["robust"] if row["attack"] == "pgd" and row["norm"] == "linf" and row["support"] == "clean"
    ]
    return min(rows, key=lambda row: abs(row["eps"] - HEADLINE_EPSILON), default=None)


def summarise(robustness: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The headline accuracies by `<classifier>/<ways>way_<shots>shot`, for DVC to compare."""
    return {
        name: {"natural_accuracy": model["natural"]["mean"]}
        | ({"robust_accuracy": attacked["mean"]} if (attacked := under_attack(model)) else {})
        for name, model in _named(robustness)
    }


def metrics(robustness: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics of both classifiers."""
    logged = {}
    for name, model in _named(robustness):
        logged |= accuracies(model, name)
    return logged


def accuracies(model: dict[str, Any], name: str) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `<name>/accuracy` and `<name>/<attack>_<norm>[_poisoned]` of a model of robustness.json.

    The step of an accuracy under attack is thousandths of epsilon.
    """
    logged = {f"{name}/accuracy": [{"value": model["natural"]["mean"], "step": 0}]}
    for row in model["robust"]:
        poisoned = "_poisoned" if row["support"] == "poisoned" else ""
        point = {"value": row["mean"], "step": round(1000 * row["eps"])}
        logged.setdefault(f"{name}/{row['attack']}_{row['norm']}{poisoned}", []).append(point)
    return logged


def episode_shape(model: dict[str, Any]) -> str:
    """Its episodes, as metrics name them."""
    return f"{model['n_way']}way_{model['k_shot']}shot"


def _named(robustness: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """`natural_classifier/<shape>` is the twin of an attacked one, `classifier/<shape>` any other."""
    models = robustness["models"]
    has_twin = any(model["adversary"] != "none" for model in models)
    for model in models:
        is_twin = has_twin and model["adversary"] == "none"
        yield f"{'natural_classifier' if is_twin else 'classifier'}/{episode_shape(model)}", model
