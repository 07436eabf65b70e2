"""Nodes that train GANs on a stream of tasks that changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metagan.identity import together
from metagan.parameters import ClassifierSettings, Continual, MetaTrain, Trainer, merged
from metagan.reporting.continual import continual_page
from metagan.tasks.bank import TaskBank
from metagan.training.continual_classifier import train_continual_classifier
from metagan.training.continual_comparison import compared_continual
from metagan.training.continual_gan import train_continual_gan
from metagan.training.on_a_stream import Course, OnAStream
from metagan.training.saved import EmbedderHeader, SavedModel


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    continual: dict[str, Any],
    meta_train: dict[str, Any],
    classifier: dict[str, Any],
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
    rest = (Trainer.model_validate(trainer), checkpoint_folder / "continual")

    def train(course: Course) -> OnAStream:
        if settings.learner == "classifier":
            return train_continual_classifier(course, *rest)
        return train_continual_gan(course, evaluation_embedder, objective_embedder, *rest)

    if settings.learner == "classifier":
        training = ClassifierSettings.model_validate(merged(classifier, settings.classifier))
    else:
        training = MetaTrain.model_validate(merged(meta_train, settings.training))
    found = compared_continual(bank, train, settings, training, seed)
    results = {**found, "made_from": origin}
    return results, continual_page(results)


def metrics(continual: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """MLflow metrics `continual/<arm>/<measure>/<what it says>`, and `.../phase_<n>` with the segment as the step."""
    logged = {}
    for arm, own in continual["arms"].items():
        for measure in continual["measures"]:
            name, found = f"continual/{arm}/{measure}", own[measure]
            for said in ("average", "forgetting", "backward_transfer", "regret"):
                logged[f"{name}/{said}"] = [{"value": found[said], "step": 0}]
            for number, column in enumerate(zip(*found["matrix"], strict=True), start=1):
                logged[f"{name}/phase_{number}"] = [
                    {"value": value, "step": segment} for segment, value in enumerate(column, start=1)
                ]
    return logged
