"""Learned rules where none was trained: on classes of another source, in wider networks, with another loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from metagan.errors import UserError
from metagan.meta.update_rules import RULE_PREFIX
from metagan.parameters import Elsewhere, Tasks
from metagan.parameters.compare_rules import AS_TRAINED
from metagan.tasks.bank import TaskBank, plan_bank
from metagan.training.gan import Gan
from metagan.training.rule_comparison import (
    Judge,
    at_level,
    measured,
    row_of,
    rule_starts,
    tuned,
    with_fixed_rule,
    with_speed,
)
from metagan.training.trajectories import sampling_map


def bank_of(tasks: Tasks, source: str, seed: int, raw_folder: Path) -> TaskBank:
    """The classes of another source, in memory."""
    with TemporaryDirectory() as folder:
        plan = plan_bank(tasks.model_copy(update={"source": source}), seed, raw_folder)
        bank = plan.write(Path(folder) / "task_bank")
        return replace(bank, images=np.array(bank.images))


def start_in(setting: Elsewhere, judge: Judge, meta_model: Gan) -> Gan:
    """The random networks with which rules begin there."""
    small = judge.settings.random_start
    wide = {name: setting.times_as_wide * getattr(small, name) for name in ("generator_width", "discriminator_width")}
    loss = setting.gan_loss or meta_model.inner.gan_loss
    changed = judge.settings.model_copy(update={"random_start": small.model_copy(update=wide), "starts": ("random",)})
    begun = replace(meta_model, inner=meta_model.inner.model_copy(update={"gan_loss": loss}))
    return rule_starts(judge.bank, begun, changed, judge.training, judge.seed)["random"]


def carried(rule: Gan, start: Gan, setting: str) -> Gan:
    """The networks of `start` with the rules that were trained in those of `rule`.

    Raises UserError with the first tensor of the rules that these networks have no place for, or have and it lacks.
    """
    first = start.with_first_rules(update_rule=rule.inner.update_rule, steps=rule.inner.steps)
    own = {name: value for name, value in rule.parameters.items() if name.startswith(RULE_PREFIX)}
    wanted = {name: value for name, value in first.parameters.items() if name.startswith(RULE_PREFIX)}
    for name in {**wanted, **own}:
        has, wants = (tuple(rules[name].shape) if name in rules else "none" for rules in (own, wanted))
        if has != wants:
            raise UserError(
                f"compare_rules.elsewhere: {rule.inner.update_rule} does not fit the networks of {setting!r}: of "
                f"{name} it has {has}, they want {wants}; leave the setting or the rule out"
            )
    return replace(first, parameters={**start.networks, **own})


def compared_in(
    setting: str, judge: Judge, start: Gan, before: Sequence[Mapping[str, Any]], learned: Mapping[str, tuple[str, Gan]]
) -> list[dict[str, Any]]:
    """A row for each rule in another setting: fixed ones at the rates of the rows `before`, those of the same seed as
    trained; the best of them at rates that were tuned anew; and those of `learned`: what trained it, and it."""
    settings, task_map = judge.settings, sampling_map(start, judge.training)
    fixed = [row for row in before if row["start"] == "random" and not row["trained_by"]]
    given = [
        (with_fixed_rule(start, _fixed_rule(row), row["rates"], settings.level_step), row["rates"], AS_TRAINED)
        for row in fixed
    ]
    best = _fixed_rule(min(fixed, key=lambda row: at_level(dict(row), settings)))
    given.append((*tuned(judge, task_map, start, best), setting))
    rows = [row_of(setting, "random", gan, measured(judge, task_map, gan), rates, where) for gan, rates, where in given]
    for trained_by, gan in learned.values():
        rows.append(row_of(setting, "random", gan, measured(judge, task_map, gan), trained_by=trained_by))
    return with_speed(rows, settings)


def _fixed_rule(row: Mapping[str, Any]) -> str:
    """By the name that chose it: a gap-aware discriminator has a generator with `sgd`."""
    return row["rule_discriminator"]
