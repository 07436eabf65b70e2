"""Nodes that say whether invented classes are new and worth learning."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from metagan.errors import UserError
from metagan.identity import made_from, together
from metagan.invention.measuring import measured
from metagan.invention.models import invention_models
from metagan.invention.rounds import in_rounds
from metagan.invention.usefulness import useful
from metagan.parameters import Invent
from metagan.reporting.invention import invention_page
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import load_embedder
from metagan.training.gan import load_gan
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

AGAIN = "run kedro run --pipelines invent again"


def measure_invention(
    bank: TaskBank,
    invented: TaskBank,
    table: pd.DataFrame,
    inventions: dict[str, Any],
    meta_model: SavedModel[GanHeader],
    evaluation_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Each measure of the invented classes and of controls, beside what was dropped before."""
    origin = together(
        "evaluate_invention",
        task_bank=bank.identity,
        inventions=made_from("inventions", inventions),
        meta_model=meta_model.identity("meta_model"),
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    check_table(bank, invented, table)
    gan, embed = load_gan(meta_model, "meta_model"), load_embedder(evaluation_embedder, bank)
    found = measured(bank, invented, gan, embed, Invent.model_validate(settings), seed)
    made = {name: inventions[name] for name in ("classes", "parents", "inventors")}
    return {"made_from": {**origin, "invented_bank": invented.content_hash}, "made": made, **found}


def check_table(bank: TaskBank, invented: TaskBank, table: pd.DataFrame) -> None:
    """Raises UserError unless the bank of invented classes is that of the table, of train classes alone, and their
    parents are train classes of the bank."""
    if [record.name for record in invented.classes] != table["name"].tolist():
        raise UserError(f"invented_classes: are not those of the invented bank, {AGAIN}")
    if wrong := [record.name for record in invented.classes if record.split != "train"]:
        raise UserError(
            f"invented_bank: {len(wrong)} classes, the first {wrong[0]!r}, are of the val or test split, where all "
            f"must be real: {AGAIN}"
        )
    known = {bank.classes[index].name for index in bank.splits["train"]}
    parents = {parent for row in table["parents"] for parent in json.loads(row)}
    if lost := sorted(parents - known):
        raise UserError(
            f"invented_classes: {len(lost)} parents, the first {lost[0]!r}, are no train classes of the bank: {AGAIN}"
        )


def _of_classifiers(measure: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A node of a measure of classifiers for which the trained models invent."""

    def measured_by(
        bank: TaskBank,
        meta_model: SavedModel[GanHeader],
        joint_gan: SavedModel[GanHeader],
        objective_embedder: SavedModel[EmbedderHeader],
        judge_embedder: SavedModel[EmbedderHeader],
        settings: dict[str, Any],
    ) -> dict[str, Any]:
        models = invention_models("evaluate_invention", bank, meta_model, joint_gan, objective_embedder, judge_embedder)
        wanted = Invent.model_validate(settings)
        found = measure(bank, partial(models.studio, wanted), models.objective, wanted)
        return {"made_from": models.made_from, **found}

    return measured_by


measure_use, measure_rounds = _of_classifiers(useful), _of_classifiers(in_rounds)


def gallery(
    bank: TaskBank,
    invented: TaskBank,
    table: pd.DataFrame,
    invention: dict[str, Any],
    use: dict[str, Any],
    rounds: dict[str, Any],
) -> str:
    """A page of all invented classes, each beside its nearest real relative."""
    together(
        "evaluate_invention",
        task_bank=bank.identity,
        invention=made_from("invention", invention),
        invention_use=made_from("invention_use", use),
        invention_rounds=made_from("invention_rounds", rounds),
    )
    return invention_page(bank, invented, table, invention, use, rounds)


def metrics(
    invention: dict[str, Any], use: dict[str, Any], rounds: dict[str, Any]
) -> dict[str, list[dict[str, float]]]:
    """As MLflow metrics: `invention/<measure>`, `invention/use/<shots>/<arm>` by the number of real classes, and
    `invention/rounds/<real classes>/<arm>` by the round."""
    values = {f"invention/{name}": [{"value": value, "step": 0}] for name, value in invention["invented"].items()}
    for k, row in use["real_classes"].items():
        for shots in (name for name in row if name.endswith("_shot")):
            for arm, found in row[shots].items():
                point = {"value": found["mean"], "step": int(k)}
                values.setdefault(f"invention/use/{shots}/{arm}", []).append(point)
    for k, row in rounds["real_classes"].items():
        for arm, found in row.items():
            points = [{"value": look["mean"], "step": number} for number, look in enumerate(found["curve"], 1)]
            values[f"invention/rounds/{k}/{arm}"] = points
    return values
