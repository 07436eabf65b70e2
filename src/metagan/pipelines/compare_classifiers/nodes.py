"""Nodes that train several methods at one budget, each in a nested MLflow run of its own."""

from __future__ import annotations

from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from metagan.io.tracking import OpenRun, nested_runs, run_logger
from metagan.parameters import (
    ClassifierSettings,
    CompareClassifiers,
    RobustnessSettings,
    Trainer,
    merged,
    valid_section,
)
from metagan.pipelines.evaluate_robustness.nodes import accuracies, episode_shape, measure, under_attack
from metagan.reporting.robustness_section import comparison_page
from metagan.tasks.bank import TaskBank
from metagan.training.classifier_training import train_classifier
from metagan.training.side_by_side import side_by_side


def compare(
    bank: TaskBank,
    classifier: dict[str, Any],
    methods: dict[str, Any],
    robustness: dict[str, Any],
    trainer: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[pd.DataFrame, str]:
    """A row for each method, adversary and shape of episode, the most robust first, and a page with their curves.

    Without `adversaries` there is only that of `classifier`, named by what it attacks.
    """
    comparison = CompareClassifiers.model_validate(methods)
    judge = RobustnessSettings.model_validate(robustness)

    def arm(method: str, adversary: str, changes: dict[str, Any]) -> tuple[str, str, ClassifierSettings]:
        whole = merged(classifier, {"method": method, "adversary": changes})
        settings = valid_section(f"compare_classifiers.methods.{method}", ClassifierSettings, whole)
        judge.check_head(settings)
        return f"{method} {adversary}".strip(), adversary, settings

    def train(open_run: OpenRun, name: str, adversary: str, settings: ClassifierSettings) -> list[dict[str, Any]]:
        with open_run():
            folder = checkpoint_folder / "classifier"
            trained, _ = train_classifier(bank, settings, Trainer.model_validate(trainer), seed, folder, run_logger())
            table, _ = measure(bank, [trained], judge, seed)
            if mlflow.active_run():
                log_arm(settings, seed, trained.header.provenance.seconds, table["models"])
        return [model | {"name": name, "preset": adversary or model["adversary"]} for model in table["models"]]

    adversaries = (comparison.adversaries or {"": {}}).items()
    # All are checked before the first is trained.
    arms = [arm(method, *adversary) for method, adversary in product(comparison.methods, adversaries)]
    with nested_runs([name for name, *_ in arms]) as runs:
        trainings = [partial(train, run, *settings) for run, settings in zip(runs, arms, strict=True)]
        models = list(chain.from_iterable(side_by_side(trainings, comparison.side_by_side)))
    table = pd.DataFrame([table_row(model) for model in models])
    order = ["n_way", "k_shot", "robust_accuracy" if judge.attacks else "natural_accuracy"]
    return table.sort_values(order, ascending=[True, True, False]), comparison_page(models, bank.domain.names)


def log_arm(settings: ClassifierSettings, seed: int, seconds: float, models: list[dict[str, Any]]) -> None:
    """What tells the arm apart, and its accuracies by the names that they have in a run of the whole job."""
    mlflow.log_params(
        {
            "classifier.method": settings.method,
            "classifier.adversary.where": settings.adversary.where,
            "seed": seed,
        }
    )
    mlflow.log_metric("classifier/training_seconds", seconds)
    for model in models:
        for name, points in accuracies(model, f"classifier/{episode_shape(model)}").items():
            for point in points:
                mlflow.log_metric(name, point["value"], int(point["step"]))


def table_row(model: dict[str, Any]) -> dict[str, Any]:
    """A model of robustness.json in a line; `preset` is what the comparison calls its adversary."""
    judged = under_attack(model)
    robust = (
        {"epsilon": judged["eps"], "robust_accuracy": judged["mean"], "robust_ci95": judged["ci95"]} if judged else {}
    )
    return {
        "method": model["method"],
        "adversary": model["preset"],
        "n_way": model["n_way"],
        "k_shot": model["k_shot"],
        "batch_norm": "transductive" if model["transductive"] else "inductive",
        "episodes": model["episodes"],
        "natural_accuracy": model["natural"]["mean"],
        "natural_ci95": model["natural"]["ci95"],
        **robust,
        "masking_checks_passed": all(check["passed"] for check in model["masking_checks"].values()),
        "training_seconds": round(model["seconds"]["meta_train"], 1),
    }
