"""Nodes that measure whether classifiers are as sure as they are right."""

from __future__ import annotations

from typing import Any

from metagan.evaluation.calibration import certainty, fitted_temperature, probabilities
from metagan.identity import together
from metagan.parameters import CertaintySettings
from metagan.tasks.bank import TaskBank
from metagan.training.answers import answers
from metagan.training.classifier import load_classifier
from metagan.training.saved import ClassifierHeader, SavedModel


def evaluate(
    bank: TaskBank,
    classifier: SavedModel[ClassifierHeader],
    natural_classifier: SavedModel[ClassifierHeader],
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """A row for each classifier and way of being sure: one adapted network, or the mean of several, and either with the
    temperature that suits val classes."""
    chosen = CertaintySettings.model_validate(settings)
    saved = {"classifier": classifier, "natural_classifier": natural_classifier}
    identities = {name: each.identity(name) for name, each in saved.items()}
    origin = together("evaluate_certainty", task_bank=bank.identity, **identities)
    rows = [row for name, each in saved.items() for row in _rows(name, each, bank, chosen, seed)]
    return {"made_from": origin, "rows": rows}


def _rows(
    name: str, saved: SavedModel[ClassifierHeader], bank: TaskBank, settings: CertaintySettings, seed: int
) -> list[dict[str, Any]]:
    model = load_classifier(saved)
    model.check_fit(bank, settings.n_way, "certainty.n_way")
    shape = (settings.n_way, settings.k_shot, settings.n_query)
    rest = (settings.members, saved.header.settings.adversary.norm)
    val = answers(model, bank, "val", seed, shape, settings.validation_episodes, *rest)
    test = answers(model, bank, "test", seed, shape, settings.episodes, *rest)
    rows = []
    for members in (1, settings.members):
        fitted = fitted_temperature(val.logits[:members], val.labels)
        for temperature in (1.0, fitted):
            chances, foreign = (probabilities(logits[:members], temperature) for logits in (test.logits, test.foreign))
            found = certainty(chances, test.labels, foreign, seed)
            rows.append({"classifier": name, "members": members, "temperature": temperature, **found})
    return rows


def metrics(certainty: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `certainty/<classifier>/<way>/<measure>`."""
    logged = {}
    for row in certainty["rows"]:
        way = ("single" if row["members"] == 1 else "ensemble") + ("" if row["temperature"] == 1 else "_tempered")
        for measure in ("accuracy", "negative_log_likelihood", "calibration_error", "foreign_auroc"):
            if found := row[measure]:
                logged[f"certainty/{row['classifier']}/{way}/{measure}"] = [{"value": found["mean"], "step": 0}]
    return logged
