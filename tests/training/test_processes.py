"""Two processes that share a training, against one that does it all; gloo on the CPU, in double precision."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metagan.meta.learners import TaskTensors
from metagan.parameters import ClassifierSettings, MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training import joint_training
from metagan.training.classifier import initial_classifier
from metagan.training.classifier_training import ClassifierTraining
from metagan.training.embedder import load_embedder
from metagan.training.fitting import fit
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.meta_training import MetaTraining
from metagan.training.outer_loop import OuterLoop
from metagan.training.saved import EmbedderHeader, SavedModel

MakeSettings = Callable[..., MetaTrain]
Embedders = tuple[SavedModel[EmbedderHeader], SavedModel[EmbedderHeader]]
TWO = Trainer(devices=2)
REPTILE = {"meta_gradient": "reptile", "inner": {"steps": 2, "update_rule": "sgd"}}


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks in double precision."""

    for training in (MetaTraining, ClassifierTraining):
        drawn = training.train_tasks
        monkeypatch.setattr(training, "train_tasks", lambda self, indices, drawn=drawn: double(drawn(self, indices)))


def double(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.double() if value.is_floating_point() else value for name, value in tensors.items()}


@pytest.fixture
def gan(bank: TaskBank, embedders: Embedders, make_settings: MakeSettings) -> Callable[..., OuterLoop]:
    def make(**changes: Any) -> MetaTraining:
        settings = make_settings(tasks_per_step=4, clip_gradient_norm=1e9, **changes)
        start = initial_gan(architecture_of(bank, settings), settings.inner, 0)
        learner = start.learner(settings, load_embedder(embedders[1], bank).double())
        for network in (learner.generator, learner.discriminator):
            network.double()
        start = replace(start, parameters=double(start.parameters))
        return MetaTraining(bank, learner, start, nn.Identity(), settings, 0, None)

    return make


def classifier(bank: TaskBank, method: str) -> OuterLoop:
    settings = ClassifierSettings(
        method=method, n_way=3, k_shot=1, n_query=2, tasks_per_step=4, meta_steps=1, clip_gradient_norm=1e9,
        task_parallel="loop", network={"width": 4}, adversary={"where": "query"},
    )  # fmt: skip
    learner, rules, start = initial_classifier(bank, settings, 0)
    learner.network.double()
    return ClassifierTraining(bank, learner, rules, double(start), settings, 0)


def outer_gradient(module: OuterLoop, trainer: Trainer, folder: Path) -> dict[str, Tensor]:
    """Adam's first moment after one step is half the gradient: its first decay is 0.5."""
    fit(module, folder, None, trainer)
    (optimiser,) = torch.load(folder / "last.ckpt", weights_only=True)["optimizer_states"]
    return {name: 2 * state["exp_avg"] for name, state in zip(module.meta, optimiser["state"].values(), strict=True)}


def assert_same_gradient(make: Callable[[], OuterLoop], folder: Path) -> None:
    one = outer_gradient(make(), Trainer(), folder / "one")
    two = outer_gradient(make(), TWO, folder / "two")
    assert max(value.abs().max() for value in one.values()) > 1e-4
    for name, value in one.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(two[name], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("changes", [{"meta_gradient": "maml"}, {"meta_gradient": "fomaml"}, REPTILE])
def test_two_processes_have_the_outer_gradient_of_one(
    gan: Callable[..., OuterLoop], changes: dict[str, Any], tmp_path: Path
) -> None:
    assert_same_gradient(partial(gan, meta_steps=1, **changes), tmp_path)


@pytest.mark.parametrize("method", ["maml", "prototypical"])
def test_two_processes_have_the_outer_gradient_of_one_for_attacked_classifiers(
    bank: TaskBank, method: str, tmp_path: Path
) -> None:
    assert_same_gradient(partial(classifier, bank, method), tmp_path)


def test_each_task_is_drawn_by_one_process(
    gan: Callable[..., OuterLoop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw = tmp_path / "drawn.txt", MetaTraining.train_tasks

    def noted(self: MetaTraining, indices: range) -> TaskTensors:
        with open(drawn, "a", encoding="utf-8") as file:
            file.write(f"{os.environ['LOCAL_RANK']}: {list(indices)}\n")
        return draw(self, indices)

    monkeypatch.setattr(MetaTraining, "train_tasks", noted)
    fit(gan(meta_steps=1), tmp_path, None, TWO)
    lines = set(drawn.read_text(encoding="utf-8").splitlines())
    assert lines >= {"0: [0, 2]", "1: [1, 3]"}
    assert lines <= {"0: [0, 2]", "1: [1, 3]", "0: [4, 6]", "1: [5, 7]"}  # Lightning draws a batch ahead


def test_the_joint_gan_is_the_same_from_two_processes(
    bank: TaskBank, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """In single precision; rounding grows from step to step."""
    settings = make_settings(meta_steps=2)
    (one, told), (two, also_told) = (
        joint_training.train_joint_gan(bank, settings, trainer, 0, tmp_path / str(trainer.devices), None)
        for trainer in (Trainer(), TWO)
    )
    for name, value in one.state.items():
        torch.testing.assert_close(two.state[name], value, rtol=1e-4, atol=1e-5)
    losses = [[row["generator_loss"] for row in history] for history in (told, also_told)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert len(losses[0]) == 2
