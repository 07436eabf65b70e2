"""Nodes that train update rules and compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow

from metagan.identity import together
from metagan.io.tracking import nested_runs, run_logger
from metagan.parameters import CompareRules, MetaTrain, Trainer
from metagan.reporting.rules import rules_page
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import load_embedder
from metagan.training.gan import Gan, load_gan
from metagan.training.rule_comparison import Judge, compared, rule_starts
from metagan.training.rule_training import train_rule
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

Rules = dict[str, SavedModel[GanHeader]]


def train_rules(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    meta_train: dict[str, Any],
    compare_rules: dict[str, Any],
    trainer: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> Rules:
    """Every rule that is to be learned, from every start and for every seed, each in a run of its own."""
    settings, training = CompareRules.model_validate(compare_rules), MetaTrain.model_validate(meta_train)
    gan = load_gan(meta_model, "meta_model")
    wanted = {
        _name(start, how.name, own): (begun, start == "random", how, own)
        for own in range(seed, seed + settings.seeds)
        for start, begun in rule_starts(bank, gan, settings, training, own).items()
        for how in settings.learned
    }
    trained: Rules = {}
    with nested_runs(list(wanted)) as runs:
        for open_run, (name, (begun, random, how, own)) in zip(runs, wanted.items(), strict=True):
            with open_run():
                trained[name], _ = train_rule(
                    bank,
                    evaluation_embedder,
                    objective_embedder,
                    begun,
                    random,
                    how,
                    settings,
                    training,
                    Trainer.model_validate(trainer),
                    own,
                    checkpoint_folder / "rules",
                    run_logger("rule"),
                )
    return trained


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    learned_rules: Mapping[str, Callable[[], SavedModel[GanHeader]]],
    meta_train: dict[str, Any],
    compare_rules: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], str]:
    """A row for each start, rule and seed of tasks and random start, with curves over `steps`; and a page of them."""
    settings, training = CompareRules.model_validate(compare_rules), MetaTrain.model_validate(meta_train)
    origin = together(
        "compare_rules",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        meta_model=meta_model.identity("meta_model"),
    )
    gan = load_gan(meta_model, "meta_model")
    embed, rows = load_embedder(evaluation_embedder, bank), []
    for own in range(seed, seed + settings.seeds):
        starts = rule_starts(bank, gan, settings, training, own)
        learned: dict[str, dict[str, tuple[str, Gan]]] = {start: {} for start in starts}
        if "meta" in learned:
            learned["meta"]["own"] = (training.meta_gradient, gan)
        for start in starts:
            for how in settings.learned:
                saved = learned_rules[_name(start, how.name, own)]()
                together("compare_rules", task_bank=bank.identity, learned_rules=saved.identity("learned_rules"))
                learned[start][how.name] = (how.rule_training, load_gan(saved, "learned_rule"))
        rows += [{**row, "seed": own} for row in compared(Judge(bank, embed, settings, training, own), starts, learned)]
    for row in rows if mlflow.active_run() else []:
        name = "/".join(
            [row["start"], f"{row['rule_generator']}-{row['rule_discriminator']}", row["trained_by"] or "fixed"]
        )
        for step, value in zip(settings.steps, row["curve"]["fjd"], strict=True):
            mlflow.log_metric(f"rules/{name}/fjd", value, step)
    results = {"steps": list(settings.steps), "level_step": settings.level_step, "settings": rows, "made_from": origin}
    return results, rules_page(results)


def _name(start: str, rule: str, seed: int) -> str:
    return f"{start}-{rule}-{seed}"
