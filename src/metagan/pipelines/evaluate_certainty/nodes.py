"""Nodes that measure whether classifiers are as sure as they are right."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from metagan.evaluation.calibration import certainty, fitted_temperature, probabilities
from metagan.identity import together
from metagan.meta.amortised_variance import trained_on
from metagan.parameters import CertaintySettings
from metagan.tasks.bank import TaskBank
from metagan.training.answers import Answers, answers, posterior_answers, train_classes_of
from metagan.training.classifier import load_classifier
from metagan.training.saved import ClassifierHeader, SavedModel

Sureness = tuple[Tensor, dict[str, Tensor]]
"""How sure it is of each query that it is of the episode's classes, and of each kind of foreign ones."""


def evaluate(
    bank: TaskBank,
    classifier: SavedModel[ClassifierHeader],
    natural_classifier: SavedModel[ClassifierHeader],
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """A row for each classifier and way of being sure: one adapted network, the mean of several, the posterior of each
    class's features, or one with an amortised variance, and each of them with the temperature that suits val classes.

    One that was trained without an adversary is its own natural twin.
    """
    chosen = CertaintySettings.model_validate(settings)
    saved = {"classifier": classifier, "natural_classifier": natural_classifier}
    identities = {name: each.identity(name) for name, each in saved.items()}
    origin = together("evaluate_certainty", task_bank=bank.identity, **identities)
    if classifier.header.settings.adversary.where == "none":
        del saved["natural_classifier"]
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
    for way, members in (("single", 1), ("ensemble", settings.members)):
        rows += _with_temperatures(name, way, _first(val, members), _first(test, members), seed)
    if train := train_classes_of(model, bank):
        bank.check_tasks("certainty", ["train"], settings.k_shot, settings.n_query)
        ask = partial(posterior_answers, model, train.prior, bank)
        amortised = trained_on(train.prior, train.features, train.labels, shape, seed)
        for way, widen in (("posterior", None), ("amortised", amortised)):
            on_val = ask("val", seed, shape, settings.validation_episodes, widen)
            on_test = ask("test", seed, shape, settings.episodes, widen)
            sure = (on_test.own, on_test.foreign)
            rows += _with_temperatures(name, way, on_val.answers, on_test.answers, seed, sure)
    return rows


def _first(found: Answers, members: int) -> Answers:
    foreign = {kind: logits[:members] for kind, logits in found.foreign.items()}
    return Answers(found.logits[:members], found.labels, foreign)


def _with_temperatures(
    name: str, way: str, val: Answers, test: Answers, seed: int, sure: Sureness | None = None
) -> list[dict[str, Any]]:
    """A row for the answers as they are, and one with the temperature that suits val classes; without `sure` a
    classifier is as sure of a query as of its likeliest class."""
    rows = []
    for temperature in (1.0, fitted_temperature(val.logits, val.labels)):
        chances = probabilities(test.logits, temperature)
        likeliest = {kind: probabilities(logits, temperature).amax(-1) for kind, logits in test.foreign.items()}
        own, of_foreign = sure or (chances.amax(-1), likeliest)
        found = certainty(chances, test.labels, own, of_foreign, seed)
        rows.append({"classifier": name, "way": way, "temperature": temperature, **found})
    return rows


def metrics(certainty: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `certainty/<classifier>/<way>/<measure>`."""
    logged = {}
    for row in certainty["rows"]:
        way = row["way"] + ("" if row["temperature"] == 1 else "_tempered")
        found = {measure: row[measure] for measure in ("accuracy", "negative_log_likelihood", "calibration_error")}
        found |= {f"foreign_auroc/{kind}": told for kind, told in row["foreign_auroc"].items()}
        for measure, estimate in found.items():
            logged[f"certainty/{row['classifier']}/{way}/{measure}"] = [{"value": estimate["mean"], "step": 0}]
    return logged
