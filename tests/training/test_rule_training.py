"""Training of update rules alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from metagan.errors import UserError
from metagan.parameters import CompareRules, LearnedRule, MetaTrain, RuleTraining, Trainer, valid_section
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training import checkpoints, rule_training
from metagan.training.data import generation_tasks
from metagan.training.gan import Gan, architecture_of, initial_gan, load_gan
from metagan.training.outer_loop import Row
from metagan.training.rule_training import train_rule
from metagan.training.saved import GanHeader, SavedModel
from metagan.training.trajectories import sample_trajectory, sampling_map

BUDGET = {
    "horizon": 4, "truncation": 2, "tasks_per_step": 2, "meta_steps": 4, "validate_every": 2, "validation_tasks": 5,
    "task_parallel": "vmap", "retreat_margin": 10.0, "ema_decay": 0.0, "rule_learning_rate": 0.03,
}  # fmt: skip
COMPARISON = {"training": BUDGET, "ppo": {"updates": 2, "epochs": 2, "look_every": 1}}
HOW = [
    {"update_rule": "mlp"},
    {"update_rule": "controller", "rule_training": "unroll"},
    {"update_rule": "controller", "rule_training": "pes"},
    {"update_rule": "controller", "rule_training": "ppo"},
    {"update_rule": {"generator": "adam", "discriminator": "mlp"}, "rule_training": "pes"},
]
Trained = tuple[SavedModel[GanHeader], list[Row]]
Train = Callable[..., Trained]


@pytest.fixture
def start(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> Gan:
    training = make_settings()
    return initial_gan(architecture_of(bank, training), training.inner, 0)


@pytest.fixture
def train(
    bank: TaskBank, start: Gan, make_settings: Callable[..., MetaTrain], embedders: tuple[Any, Any], tmp_path: Path
) -> Train:
    def run(how: dict[str, Any], folder: str = "a", random_start: bool = True, **changes: Any) -> Trained:
        comparison = CompareRules.model_validate({**COMPARISON, "training": {**BUDGET, **changes}})
        rule = LearnedRule.model_validate(how)
        given = (start, random_start, rule, comparison, make_settings(), Trainer(), 0, tmp_path / folder)
        return train_rule(bank, *embedders, *given)

    return run


@pytest.mark.parametrize("how", HOW, ids=lambda how: LearnedRule.model_validate(how).name)
def test_rules_are_trained_and_networks_are_not(train: Train, start: Gan, how: dict[str, Any]) -> None:
    saved, history = train(how)
    trained = load_gan(saved, "learned_rule")
    first = start.with_first_rules(
        0,
        update_rule=trained.inner.update_rule,
        generator_learning_rate=0.03,
        discriminator_learning_rate=0.03,
        steps=4,
    )
    assert all(torch.equal(value, trained.parameters[name]) for name, value in start.networks.items())
    moved = {name for name, value in first.parameters.items() if not torch.equal(value, trained.parameters[name])}
    learned = {name for name in first.parameters if name.startswith("rule.") and "rule.generator." not in name}
    assert moved and moved <= learned  # the generator's own rule, where it has one here, is Adam
    assert len(history) == (3 if how.get("rule_training") == "ppo" else 2)
    assert saved.header.provenance.meta_step in [row["meta_step"] for row in history]
    assert [row["val/score"] for row in history] == pytest.approx(
        [1 - row["val/mean_fjd"] / history[0]["val/mean_fjd"] for row in history]
    )


def test_a_random_start_is_another_at_each_meta_step_and_a_given_one_the_same(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    draw = rule_training.initial_networks

    def counted(architecture: Any, seed: int) -> Any:
        seeds.append(seed)
        return draw(architecture, seed)

    monkeypatch.setattr(rule_training, "initial_networks", counted)
    train({"update_rule": "mlp"})
    assert seeds == [rule_training.START_SEED + step for step in range(4)]
    train({"update_rule": "mlp"}, folder="b", random_start=False)
    assert len(seeds) == 4


@pytest.mark.parametrize("how", [HOW[0], HOW[2]], ids=["unroll", "pes"])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    train: Train, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    whole, _ = train(how, folder="whole")
    step = rule_training.RuleLoop.training_step

    def stopped(module: Any, batch: Any, index: int) -> None:
        if module.meta_step == 3:
            raise RuntimeError("pulled the plug")
        step(module, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(rule_training.RuleLoop, "training_step", stopped)
        with pytest.raises(RuntimeError, match="plug"):
            train(how, folder="cut")
    again, _ = train(how, folder="cut")
    assert again.content_hash == whole.content_hash


def test_a_rule_that_rests_is_trained_as_one_that_does_not_and_moves_nothing_after_its_horizon(
    train: Train, monkeypatch: pytest.MonkeyPatch, bank: TaskBank, make_settings: Callable[..., MetaTrain]
) -> None:
    plain, history = train(HOW[0])

    def trained_again(module: Any, batch: Any, index: int) -> None:
        raise AssertionError("the training has ended before")

    monkeypatch.setattr(rule_training.RuleLoop, "training_step", trained_again)
    rests, again = train({**HOW[0], "rests": True})
    assert rests.content_hash == plain.content_hash and again == history
    training = make_settings()
    tasks, _ = generation_tasks(task_stream(bank, 0), "test", range(2), 2, 2, 6, training.networks)

    def samples(saved: SavedModel[GanHeader]) -> torch.Tensor:
        gan = load_gan(saved, "learned_rule")
        return sample_trajectory(sampling_map(gan, training), gan, tasks, (3, 4, 5, 6))

    moving, resting = samples(plain), samples(rests)
    assert torch.equal(resting[:, :2], moving[:, :2]) and not torch.equal(resting[:, 0], resting[:, 1])
    assert torch.equal(resting[:, 2], resting[:, 1]) and torch.equal(resting[:, 3], resting[:, 1])
    assert not torch.equal(moving[:, 2], moving[:, 1])


def test_equal_seeds_give_equal_controllers_by_reinforcement(train: Train) -> None:
    assert train(HOW[3])[0].content_hash == train(HOW[3])[0].content_hash


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (LearnedRule, {"update_rule": "adam"}, "adam has nothing to learn; fixed rules go to rules"),
        (LearnedRule, {"update_rule": "mlp", "rule_training": "ppo"}, "ppo trains the controller, not mlp"),
        (RuleTraining, {"horizon": 3, "truncation": 5}, "truncation: must be at most horizon = 3"),
        (LearnedRule, {"update_rule": "nonsense"}, "is not one of 'sgd'"),
    ],
)
def test_what_cannot_be_trained_is_refused(section: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        valid_section("compare_rules.learned", section, values)
