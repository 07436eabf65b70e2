"""A bank in memory, settings of seconds, and embedders for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metagan.domains import domain_of, stored_example
from metagan.parameters import EmbedderArchitecture, MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord
from metagan.training import checkpoints, meta_training
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

SPLIT_SIZES = {"train": 8, "val": 5, "test": 3}
SIZE, N_IMAGES = 16, 10
ONE_PROCESS = Trainer()

Embedders = tuple[SavedModel[EmbedderHeader], SavedModel[EmbedderHeader]]
MakeBank = Callable[..., TaskBank]
MakeSettings = Callable[..., MetaTrain]


@pytest.fixture(autouse=True)
def saves_at_looks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of seconds is not saved between looks, however busy the machine is."""
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", float("inf"))


@pytest.fixture(scope="session")
def make_bank() -> MakeBank:
    """Each class a random blocky picture under pixel noise; `noise` is its standard deviation in levels of 255."""

    def make(noise: float = 20.0, seed: int = 0) -> TaskBank:
        generator = np.random.default_rng(seed)
        n_classes = sum(SPLIT_SIZES.values())
        pictures = np.kron(generator.integers(40, 216, (n_classes, 1, 1, 4, 4)), np.ones((SIZE // 4, SIZE // 4)))
        images = pictures + generator.normal(0, noise, (n_classes, N_IMAGES, 1, SIZE, SIZE))
        splits = [split for split, count in SPLIT_SIZES.items() for _ in range(count)]
        classes = tuple(ClassRecord(f"class {i}", "group", split, N_IMAGES) for i, split in enumerate(splits))
        return TaskBank(
            images.clip(0, 255).astype(np.uint8).reshape(-1, 1, SIZE, SIZE),
            np.arange(n_classes + 1) * N_IMAGES,
            classes,
            "pictures",
            stored_example("image", (1, SIZE, SIZE)),
            content_hash=f"{noise} {seed}",
        )

    return make


@pytest.fixture(scope="session")
def bank(make_bank: MakeBank) -> TaskBank:
    return make_bank()


@pytest.fixture
def make_settings() -> MakeSettings:
    """Meta-training of four steps; keywords change any part."""

    def make(**changes: Any) -> MetaTrain:
        small = {
            "k_shot": 3,
            "n_query": 4,
            "tasks_per_step": 2,
            "meta_steps": 4,
            "validate_every": 2,
            "validation_tasks": 5,
            "validation_steps": (1, 2),
            "networks": {"generator_width": 8, "discriminator_width": 8, "noise_size": 4},
            "inner": {"steps": 2},
            "joint": {"steps_per_meta_step": 1, "batch_size": 4},
            "task_parallel": "loop",
        }
        for name, value in changes.items():
            nested = isinstance(value, dict) and name in small
            small[name] = {**small[name], **value} if nested else value
        return MetaTrain.model_validate(small)

    return make


@pytest.fixture(scope="session")
def embedders() -> Embedders:
    """An evaluation and an objective embedder, as `train_embedder` returns them."""
    architecture = EmbedderArchitecture(width=8, feature_size=8, shape=(1, SIZE, SIZE))
    networks = []
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            networks.append(domain_of(architecture).embedder(architecture))
    first, second = (SavedModel(EmbedderHeader(architecture=architecture), made.state_dict()) for made in networks)
    return first, second


@pytest.fixture
def train(
    bank: TaskBank, embedders: Embedders, tmp_path: Path
) -> Callable[..., tuple[SavedModel[GanHeader], list[dict[str, Any]]]]:
    """Meta-train in a folder of the test."""

    def run(
        settings: MetaTrain, seed: int = 0, folder: str = "training", trainer: Trainer = ONE_PROCESS, **more: Any
    ) -> tuple[SavedModel[GanHeader], list[dict[str, Any]]]:
        more = {"logger": None, **more}
        return meta_training.meta_train(bank, *embedders, settings, trainer, seed, tmp_path / folder, **more)

    return run
