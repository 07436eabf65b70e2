"""Learned rules where none was trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metagan.errors import UserError
from metagan.parameters import CompareRules, Elsewhere, MetaTrain, Networks, RandomStart, Tasks, valid_section
from metagan.parameters.compare_rules import AS_TRAINED
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training import rule_comparison
from metagan.training.data import generation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.gan import Gan, architecture_of, initial_gan
from metagan.training.rule_comparison import Judge, compared, rule_starts
from metagan.training.rule_transfer import bank_of, carried, compared_in, start_in
from metagan.training.trajectories import sample_trajectory, sampling_map

SETTINGS = CompareRules(
    random_start=RandomStart(generator_width=8, discriminator_width=12),
    rules=("sgd", "adam"),
    generator_rates=(0.01, 0.3),
    discriminator_rates=(0.02, 0.2),
    n_tasks=6,
    steps=(0, 1, 2, 4),
    level_step=2,
    judge_steps=0,
)
WIDE = Elsewhere(times_as_wide=2)


@pytest.fixture
def judge(bank: TaskBank, make_settings: Callable[..., MetaTrain], embedders: tuple[Any, Any]) -> Judge:
    return Judge(bank, load_embedder(embedders[0], bank), SETTINGS, make_settings(), 0)


@pytest.fixture
def meta(judge: Judge) -> Gan:
    return initial_gan(architecture_of(judge.bank, judge.training), judge.training.inner, 0)


def learned(start: Gan, rule: str) -> Gan:
    """With meta-parameters that no first rule has."""
    gan = start.with_first_rules(5, update_rule=rule, steps=2)
    moved = {name: value + 0.01 * torch.randn_like(value) for name, value in gan.parameters.items() if "rule." in name}
    return replace(gan, parameters={**gan.parameters, **moved})


@pytest.mark.parametrize("rule", ["mlp", "recurrent", "controller", "lslr"])
def test_rules_with_a_rate_for_each_tensor_fit_wider_networks_and_keep_what_they_learned(
    judge: Judge, meta: Gan, rule: str
) -> None:
    home = learned(rule_starts(judge.bank, meta, SETTINGS, judge.training, 0)["random"], rule)
    wide = start_in(WIDE, judge, meta)
    there = carried(home, wide, WIDE.name)
    assert there.architecture.generator_width == 16 and there.architecture.discriminator_width == 24
    own, taken = ({name: value for name, value in gan.parameters.items() if "rule." in name} for gan in (home, there))
    assert own.keys() == taken.keys() and all(torch.equal(value, taken[name]) for name, value in own.items())
    assert all(torch.equal(value, there.parameters[name]) for name, value in wide.networks.items())
    tasks, _ = generation_tasks(task_stream(judge.bank, 0), "test", range(2), 3, 4, 2, Networks(noise_size=4))
    samples = sample_trajectory(sampling_map(wide, judge.training), there, tasks, (0, 2))
    assert samples.isfinite().all() and (samples[:, 0] != samples[:, 1]).any()


def test_a_rate_for_each_element_and_other_signals_are_refused_by_name(judge: Judge, meta: Gan) -> None:
    start, wide = rule_starts(judge.bank, meta, SETTINGS, judge.training, 0)["random"], start_in(WIDE, judge, meta)
    with pytest.raises(UserError, match=r"elsewhere: meta_sgd does not fit the networks of '2 times as wide': of rule"):
        carried(learned(start, "meta_sgd"), wide, WIDE.name)
    other = learned(start, "controller")
    fewer = {**other.parameters, "rule.input.0": other.parameters["rule.input.0"][:, :-1]}
    with pytest.raises(UserError, match=r"controller does not fit .* of rule\.input\.0 it has \(64, "):
        carried(replace(other, parameters=fewer), start, "relativistic")
    more = learned(initial_gan(meta.architecture, meta.inner, 0), "mlp")
    assert meta.inner.adapt_parameters != start.inner.adapt_parameters
    with pytest.raises(UserError, match=r"rule\.log_rate\.generator\..* it has \(\), they want none"):
        carried(more, start, "relativistic")


def test_what_is_not_named_is_as_it_was_and_the_loss_another(judge: Judge, meta: Gan) -> None:
    home = rule_starts(judge.bank, meta, SETTINGS, judge.training, 0)["random"]
    there = start_in(Elsewhere(gan_loss="hinge"), judge, meta)
    assert there.content_hash == home.content_hash
    assert (home.inner.gan_loss, there.inner.gan_loss) == ("non_saturating", "hinge")
    tasks, _ = generation_tasks(task_stream(judge.bank, 0), "test", range(1), 3, 4, 1, Networks(noise_size=4))
    task = {name: value[0] for name, value in tasks.items()}
    losses = [gan.learner().inner_loss("generator", gan.networks, task, 0).item() for gan in (home, there)]
    made = home.learner().generate(home.networks, task["inner_noise"][0, 1])
    logits = home.learner().discriminate(home.networks, made).tolist()
    assert losses == pytest.approx([np.mean([math.log1p(math.exp(-it)) for it in logits]), -np.mean(logits)], rel=1e-5)


def test_every_rule_has_a_row_and_where_nothing_is_another_it_is_the_row_of_before(judge: Judge, meta: Gan) -> None:
    starts = rule_starts(judge.bank, meta, SETTINGS, judge.training, 0)
    rules = {"mlp": ("unroll", learned(starts["random"], "mlp"))}
    before = compared(judge, starts, {"random": rules})
    rows = compared_in("here", judge, starts["random"], before, rules)
    assert [(row["rule_generator"], row["tuned_in"], row["trained_by"]) for row in rows] == [
        ("sgd", AS_TRAINED, ""), ("adam", AS_TRAINED, ""), (rows[2]["rule_generator"], "here", ""), 
        ("mlp", "", "unroll"),
    ]  # fmt: skip
    best = min(before[:2], key=lambda row: row["curve"]["fjd"][2])
    for old, new in zip([*before[:2], best, before[2]], rows, strict=True):
        assert new["setting"] == "here" and old["setting"] == AS_TRAINED
        same = ("rule_generator", "rates", "curve", "level", "auc", "steps_to_level", "collapsed")
        assert {name: old[name] for name in same} == {name: new[name] for name in same}


def test_fixed_rules_keep_their_rates_and_one_is_tuned_where_they_are(
    judge: Judge, meta: Gan, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"start": "random", "trained_by": "", "rates": (0.3, 0.02)}
    before = [
        {**given, "rule_discriminator": rule, "curve": {"fjd": [9, 9, fjd, 0]}}
        for rule, fjd in (("sgd", 5), ("adam", 4))
    ]

    def judged(_: object, gan: Gan, *__: object) -> tuple[None, dict[str, list[float]]]:
        rates = gan.inner.generator_learning_rate, gan.inner.discriminator_learning_rate
        return None, {"fjd": [0.0 if rates == (0.01, 0.2) else 1.0]}

    monkeypatch.setattr(rule_comparison, "judged_samples", judged)
    rows = compared_in("2 times as wide", judge, start_in(WIDE, judge, meta), before, {})
    assert [(row["rule_generator"], row["rates"]) for row in rows] == [
        ("sgd", (0.3, 0.02)), ("adam", (0.3, 0.02)), ("adam", (0.01, 0.2))
    ]  # fmt: skip
    assert {row["level"] for row in rows} == {min(row["curve"]["fjd"][2] for row in rows)}


def test_the_classes_of_another_source_are_in_memory_and_those_of_its_own_pipeline(tmp_path: Path) -> None:
    tasks = Tasks(source="glyphs", image_size=16, workers=1)
    bank = bank_of(tasks, "digits", 3, tmp_path)
    assert bank.source == "digits" and bank.images.shape[1:] == (1, 16, 16)
    assert not isinstance(bank.images, np.memmap) and bank.images.std() > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"elsewhere": [{}]}, r"elsewhere\.0\.source: name one, or another gan_loss"),
        (
            {"elsewhere": [{"times_as_wide": 2}], "learned": [{"update_rule": "meta_sgd"}]},
            "meta_sgd has a rate for each",
        ),
        ({"elsewhere": [{"gan_loss": "hinge"}], "rules": ["gap_aware"]}, "gan_loss must be non_saturating"),
        ({"elsewhere": [{"gan_loss": "hinge"}], "starts": ["meta"]}, "random is not among starts"),
        ({"elsewhere": [{"source": "letters"}]}, r"elsewhere\.0\.source: .*letters"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        valid_section("compare_rules", CompareRules, values)
