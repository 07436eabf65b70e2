from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from metagan.parameters import MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training import checkpoints, joint_training
from metagan.training.gan import architecture_of, initial_networks, load_gan
from metagan.training.joint_training import JointBatches, train_joint_gan
from metagan.training.saved import GanHeader, SavedModel

MakeSettings = Callable[..., MetaTrain]


def same(first: SavedModel[GanHeader], second: SavedModel[GanHeader]) -> bool:
    return all(torch.equal(value, second.state[name]) for name, value in first.state.items())


def test_a_joint_gan_is_a_gan_of_the_architecture(bank: TaskBank, make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(meta_steps=40, joint={"steps_per_meta_step": 2.5})
    trained, history = train_joint_gan(bank, settings, Trainer(), 0, tmp_path, None)
    gan = load_gan(trained, "joint_gan", architecture_of(bank, settings))
    parameters = gan.parameters
    assert gan.learner().generate(parameters, torch.randn(2, 4)).shape == (2, 1, 16, 16)
    start = initial_networks(architecture_of(bank, settings), 0)
    assert parameters.keys() == start.keys()
    assert not any(torch.equal(value, start[name]) for name, value in parameters.items())
    assert [row["step"] for row in history] == list(range(2, 101, 2))
    assert history[0].keys() == {"step", "seconds", "discriminator_loss", "generator_loss"}


def test_minutes_end_it_as_they_end_meta_training(bank: TaskBank, make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(meta_steps=None, minutes=0.02)
    trained, _ = train_joint_gan(bank, settings, Trainer(), 0, tmp_path, None)
    assert trained.header.provenance.seconds >= 1.2
    assert (settings.joint_steps, make_settings(meta_steps=1, joint={"steps_per_meta_step": 0.1}).joint_steps) == (
        None,
        1,
    )


def test_same_seed_same_weights(bank: TaskBank, make_settings: MakeSettings, tmp_path: Path) -> None:
    runs = [
        train_joint_gan(bank, make_settings(), Trainer(), seed, tmp_path / name, None)[0]
        for seed, name in [(0, "a"), (0, "b"), (1, "c")]
    ]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_an_interrupted_training_goes_on_to_the_same_bits(
    bank: TaskBank, make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkpoint after each step, stopped in the sixth: Lightning draws a batch ahead."""
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0)
    settings = make_settings(meta_steps=9)
    whole, _ = train_joint_gan(bank, settings, Trainer(), 0, tmp_path / "whole", None)
    draw, drawn = joint_training.task_noise, []

    def failing(seed: int, step: int, *shape: int) -> torch.Tensor:
        drawn.append(step)
        if len(drawn) == 7:
            raise InterruptedError("stopped by the test")
        return draw(seed, step, *shape)

    monkeypatch.setattr(joint_training, "task_noise", failing)
    with pytest.raises(InterruptedError):
        train_joint_gan(bank, settings, Trainer(), 0, tmp_path / "parts", None)
    resumed, _ = train_joint_gan(bank, settings, Trainer(), 0, tmp_path / "parts", None)
    assert drawn[7] == 5
    assert same(whole, resumed)


def test_batches_hold_train_images_alone(bank: TaskBank) -> None:
    is_train = np.repeat([record.split == "train" for record in bank.classes], np.diff(bank.offsets))
    marked = replace(bank, images=np.where(is_train[:, None, None, None], bank.images, 0).astype(np.uint8))
    batches = list(islice(JointBatches(marked, 0, 0, 8, 4), 20))
    assert all((batch["support"].amax((1, 2, 3)) > 0).all() for batch in batches)
    assert batches[0]["support"].shape == (8, 1, 16, 16)
    assert batches[0]["inner_noise"].shape == (1, 2, 8, 4)
    again = next(iter(JointBatches(marked, 0, 5, 8, 4)))
    assert all(torch.equal(value, batches[5][name]) for name, value in again.items())
