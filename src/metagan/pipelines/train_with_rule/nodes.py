"""Nodes that tune a fixed schedule, train a controller of whole GAN trainings, and compare both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from metagan.identity import history_of, made_from, together
from metagan.parameters import TrainWithRule
from metagan.reporting.whole_training import whole_training_page
from metagan.tasks.bank import TaskBank
from metagan.training.controller_evolution import train_controller
from metagan.training.embedder import load_embedder
from metagan.training.saved import ControllerHeader, EmbedderHeader, SavedModel
from metagan.training.whole_comparison import WholeTrainings, compared_whole, controller_of


def tune(
    bank: TaskBank, evaluation_embedder: SavedModel[EmbedderHeader], train_with_rule: dict[str, Any], seed: int
) -> dict[str, Any]:
    """The best fixed schedule on val classes, and all that were tried."""
    settings = TrainWithRule.model_validate(train_with_rule)
    origin = together(
        "train_with_rule",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    found = WholeTrainings(bank, load_embedder(evaluation_embedder, bank), settings).tuned(seed)
    return {**found, "made_from": origin}


def train(
    bank: TaskBank,
    objective_embedder: SavedModel[EmbedderHeader],
    train_with_rule: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[SavedModel[ControllerHeader], pd.DataFrame]:
    """The controller, and a row for each update."""

    def report(row: dict[str, float]) -> None:
        if mlflow.active_run():
            mlflow.log_metric("whole_training/log_distance", row["log_distance"], int(row["update"]))

    settings = TrainWithRule.model_validate(train_with_rule)
    saved, history = train_controller(
        bank, objective_embedder, settings, seed, checkpoint_folder / "training_controller", report
    )
    return saved, pd.DataFrame(history).assign(training_controller=saved.content_hash)


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    training_controller: SavedModel[ControllerHeader],
    controller_history: pd.DataFrame,
    tuned_schedule: dict[str, Any],
    train_with_rule: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], str]:
    """A row for each setting, policy and seed on test classes, with curves and what was chosen; and a page of them."""
    settings = TrainWithRule.model_validate(train_with_rule)
    origin = together(
        "train_with_rule",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        training_controller=training_controller.identity("training_controller"),
        controller_history=history_of("training_controller", controller_history["training_controller"]),
        tuned_schedule=made_from("tuned_schedule", tuned_schedule),
    )
    trainings = WholeTrainings(bank, load_embedder(evaluation_embedder, bank), settings)
    rows = compared_whole(trainings, controller_of(training_controller), tuned_schedule, seed)
    for row in rows if mlflow.active_run() else []:
        name = "/".join(["whole_training", row["setting"].replace(" ", "_"), row["policy"], str(row["seed"])])
        for step, value in zip(trainings.steps, row["frechet"], strict=True):
            mlflow.log_metric(f"{name}/frechet", value, step)
    results = {
        "steps": trainings.steps,
        "interval": settings.gan.interval,
        "tuned": {name: tuned_schedule[name] for name in ("schedule", "rates", "final", "tried")},
        "history": controller_history.drop(columns="training_controller").to_dict("records"),
        "training_seconds": training_controller.header.provenance.seconds,
        "whole_training": rows,
        "made_from": origin,
    }
    return results, whole_training_page(results)
