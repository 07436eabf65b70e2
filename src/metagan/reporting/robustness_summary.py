"""The sentence about the most robust classifier and its natural twin."""

from __future__ import annotations

from collections.abc import Sequence

from metagan.reporting.accuracies import (
    NORMS,
    ClassifierResult,
    MeanAccuracy,
    attacked_rows,
    epsilon,
    levels_of,
    percent,
    shape_of,
    title,
)
from metagan.reporting.classifier_names import NATURAL, NamedClassifier
from metagan.reporting.measures import HEADLINE_EPSILON

HEADLINE_SETTING = (5, 1)


def summary(models: Sequence[ClassifierResult], classifiers: Sequence[NamedClassifier], many: str) -> str:
    """One sentence about the most robust classifier and its natural twin; empty when nothing was attacked.

    `many` is what examples are called.
    """
    shapes = [shape_of(model) for model in models]
    shape = HEADLINE_SETTING if HEADLINE_SETTING in shapes else shapes[0]
    attacked = {index: attacked_rows(model) for index, model in enumerate(models) if shape_of(model) == shape}
    levels = levels_of(row for rows in attacked.values() for row in rows)
    if not levels:
        return ""
    norm, eps = min(levels, key=lambda level: (level[0] != levels[0][0], abs(level[1] - HEADLINE_EPSILON)))
    worst = {
        index: min(there, key=lambda row: row["mean"])
        for index, rows in attacked.items()
        if (there := [row for row in rows if (row["norm"], row["eps"]) == (norm, eps)])
    }
    robust = [index for index in worst if models[index]["adversary"] != NATURAL] or list(worst)
    best = max(robust, key=lambda index: worst[index]["mean"])
    method, transductive = models[best]["method"], models[best]["transductive"]
    twins = [
        index
        for index in worst
        if index != best
        and (models[index]["method"], models[index]["adversary"], models[index]["transductive"])
        == (method, NATURAL, transductive)
    ]
    parts = [
        f"Under the strongest attack measured at {NORMS[norm][0]} ε = {epsilon(eps)}, {classifiers[best]} "
        f"recognises {_interval(worst[best])} of the query {many} in {title(models[best])} episodes of unseen classes"
        f" ({_interval(models[best]['natural'])} without an attack)"
    ]
    for twin in twins[:1]:
        parts.append(
            f"its natural twin ({classifiers[twin].inference}) recognises {_interval(worst[twin])}"
            f" ({_interval(models[twin]['natural'])} without an attack)"
        )
    checks = models[best]["masking_checks"].values()
    if failed := sum(not check["passed"] for check in checks):
        parts.append(
            f"but {failed} of its {len(checks)} checks against gradient masking failed: it may be less robust than this"
        )
    return "; ".join(parts) + "."


def _interval(estimate: MeanAccuracy) -> str:
    return f"{percent(estimate['mean'])} ± {percent(estimate['ci95'])} %".replace(" ", "\N{NO-BREAK SPACE}")
