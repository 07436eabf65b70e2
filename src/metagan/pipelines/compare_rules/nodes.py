"""Nodes that compare update rules."""

from __future__ import annotations

from typing import Any

import mlflow

from metagan.identity import together
from metagan.parameters import CompareRules, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import load_embedder
from metagan.training.gan import architecture_of, initial_gan, load_gan
from metagan.training.rule_comparison import Judge, compared
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel
from metagan.training.trajectories import sampling_map


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    meta_train: dict[str, Any],
    compare_rules: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """A row for each start, rule and seed of tasks and random start, with curves over `steps`."""
    settings, training = CompareRules.model_validate(compare_rules), MetaTrain.model_validate(meta_train)
    origin = together(
        "compare_rules",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    architecture = architecture_of(bank, training)
    learned = load_gan(meta_model, "meta_model", architecture)
    embed, task_map, rows = load_embedder(evaluation_embedder, bank), sampling_map(learned, training), []
    for number in range(settings.seeds):
        own = seed + number
        starts = {"random": initial_gan(architecture, learned.inner, own), "meta": learned}
        judge = Judge(bank, embed, settings, training, own)
        rows += [{**row, "seed": own} for row in compared(judge, task_map, starts, learned)]
    for row in rows if mlflow.active_run() else []:
        name = f"{row['start']}/{row['rule_generator']}-{row['rule_discriminator']}"
        for step, value in zip(settings.steps, row["curve"]["fjd"], strict=True):
            mlflow.log_metric(f"rules/{name}/fjd", value, step)
    return {"steps": list(settings.steps), "level_step": settings.level_step, "settings": rows, "made_from": origin}
