"""Nodes that train GANs on a stream of tasks that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metagan.identity import together
from metagan.parameters import Continual, MetaTrain, Trainer
from metagan.reporting.continual import continual_page
from metagan.tasks.bank import TaskBank
from metagan.training.continual_comparison import compared_continual
from metagan.training.saved import EmbedderHeader, SavedModel


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    continual: dict[str, Any],
    meta_train: dict[str, Any],
    trainer: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[dict[str, Any], str]:
    """What each kind of training reaches on each phase after each segment of the stream; and a page of it."""
    settings = Continual.model_validate(continual)
    origin = together(
        "continual",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        objective_embedder=objective_embedder.identity("objective_embedder"),
    )
    found = compared_continual(
        bank,
        evaluation_embedder,
        objective_embedder,
        settings,
        MetaTrain.model_validate(settings.changed(meta_train)),
        Trainer.model_validate(trainer),
        seed,
        checkpoint_folder / "continual",
    )
    results = {**found, "made_from": origin}
    return results, continual_page(results)


def metrics(continual: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `continual/<arm>/<measure>/<what it says>`, and `.../phase_<n>` with the segment as the step."""
    logged = {}
    for arm, own in continual["arms"].items():
        for measure in ("recognisability", "fjd"):
            name, found = f"continual/{arm}/{measure}", own[measure]
            for said in ("average", "forgetting", "backward_transfer", "regret"):
                logged[f"{name}/{said}"] = [{"value": found[said], "step": 0}]
            for number, column in enumerate(zip(*found["matrix"], strict=True), start=1):
                logged[f"{name}/phase_{number}"] = [
                    {"value": value, "step": segment} for segment, value in enumerate(column, start=1)
                ]
    return logged
