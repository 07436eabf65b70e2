"""Nodes that train update rules and compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import mlflow

from metagan.identity import together
from metagan.io.tracking import nested_runs, run_logger
from metagan.parameters import CompareRules, EmbedderSettings, MetaTrain, Tasks, Trainer
from metagan.reporting.rules import rules_page
from metagan.tasks.bank import TaskBank
from metagan.training.embedder import load_embedder, train_embedder
from metagan.training.gan import Gan, load_gan
from metagan.training.rule_comparison import Judge, compared, rule_starts
from metagan.training.rule_training import train_rule
from metagan.training.rule_transfer import bank_of, carried, compared_in, start_in
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

Rules = dict[str, SavedModel[GanHeader]]
SavedRules = Mapping[str, Callable[[], SavedModel[GanHeader]]]


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
    learned_rules: SavedRules,
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
    gan = load_gan(meta_model, "meta_model")
    embed, rows = load_embedder(evaluation_embedder, bank), []
    for own in range(seed, seed + settings.seeds):
        starts = rule_starts(bank, gan, settings, training, own)
        learned: dict[str, dict[str, tuple[str, Gan]]] = {start: {} for start in starts}
        if "meta" in learned:
            learned["meta"]["own"] = (training.meta_gradient, gan)
        for start in starts:
            learned[start] |= _learned(bank, learned_rules, settings, start, own)
        rows += [{**row, "seed": own} for row in compared(Judge(bank, embed, settings, training, own), starts, learned)]
    for row in rows if mlflow.active_run() else []:
        name = "/".join(
            [row["start"], f"{row['rule_generator']}-{row['rule_discriminator']}", row["trained_by"] or "fixed"]
        )
        for step, value in zip(settings.steps, row["curve"]["fjd"], strict=True):
            mlflow.log_metric(f"rules/{name}/fjd", value, step)
    return {"steps": list(settings.steps), "level_step": settings.level_step, "settings": rows, "made_from": origin}


def compare_elsewhere(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    learned_rules: SavedRules,
    rules_as_trained: dict[str, Any],
    meta_train: dict[str, Any],
    compare_rules: dict[str, Any],
    tasks: dict[str, Any],
    embedder: dict[str, Any],
    seed: int,
    raw_folder: Path,
) -> tuple[dict[str, Any], str]:
    """The rows of `rules_as_trained`, those of all settings `elsewhere`, and a page of both."""
    settings, training = CompareRules.model_validate(compare_rules), MetaTrain.model_validate(meta_train)
    gan, embed = load_gan(meta_model, "meta_model"), load_embedder(evaluation_embedder, bank)
    judges = {None: Judge(bank, embed, settings, training, seed)}
    for source in dict.fromkeys(setting.source for setting in settings.elsewhere if setting.source):
        other = bank_of(Tasks.model_validate(tasks), source, seed, raw_folder)
        other.check_tasks(training.section, ("val", "test"), training.k_shot, training.n_query)
        trained = train_embedder(other, EmbedderSettings.model_validate(embedder).evaluation, seed)
        judges[source] = replace(judges[None], bank=other, embed=load_embedder(trained, other))
    to_measure = []
    for own, setting in product(range(seed, seed + settings.seeds), settings.elsewhere):
        judge = replace(judges[setting.source], seed=own)
        start, learned = start_in(setting, judge, gan), _learned(bank, learned_rules, settings, "random", own)
        fitted = {name: (how, carried(rule, start, setting.name)) for name, (how, rule) in learned.items()}
        to_measure.append((setting.name, judge, start, fitted))
    rows = list(rules_as_trained["settings"])
    for name, judge, start, fitted in to_measure:
        before = [row for row in rules_as_trained["settings"] if row["seed"] == judge.seed]
        rows += [{**row, "seed": judge.seed} for row in compared_in(name, judge, start, before, fitted)]
    results = {**rules_as_trained, "settings": rows}
    return results, rules_page(results)


def _learned(
    bank: TaskBank, saved_rules: SavedRules, settings: CompareRules, start: str, seed: int
) -> dict[str, tuple[str, Gan]]:
    """What trained each rule, and the rule, by its name. Raises UserError for one of other classes."""
    found = {}
    for how in settings.learned:
        saved = saved_rules[_name(start, how.name, seed)]()
        together("compare_rules", task_bank=bank.identity, learned_rules=saved.identity("learned_rules"))
        found[how.name] = (how.trained_by, load_gan(saved, "learned_rule"))
    return found


def _name(start: str, rule: str, seed: int) -> str:
    return f"{start}-{rule}-{seed}"
