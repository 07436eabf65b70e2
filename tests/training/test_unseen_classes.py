"""Nothing that trains or chooses reads an image of a test class: with a bank whose images of a split raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metagan.evaluation.familiarity import familiarity
from metagan.parameters import ClassifierSettings, EmbedderNetwork, Evaluate, MetaTrain, Trainer, TrainWithRule
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task
from metagan.training.arms import build_samplers
from metagan.training.classifier_training import train_classifier
from metagan.training.controller_evolution import train_controller
from metagan.training.embedder import load_embedder, train_embedder
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.joint_training import train_joint_gan
from metagan.training.meta_training import meta_train
from metagan.training.saved import Provenance
from metagan.training.whole_comparison import WholeTrainings

Work = Callable[[TaskBank, Path], object]


class ReadError(Exception):
    """A pixel that must not be read was."""


@dataclass(frozen=True)
class GuardedImages:
    """Images (N, C, H, W) some rows of which raise when their pixels are read; a slice of them reads none."""

    images: np.ndarray
    forbidden: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return GuardedImages(self.images[key], self.forbidden[key])
        return np.asarray(GuardedImages(self.images[key], self.forbidden[key]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.forbidden.any():
            raise ReadError
        return np.array(self.images, dtype=dtype)


@pytest.fixture
def guarded(bank: TaskBank) -> Callable[[str], TaskBank]:
    """The bank, images of a split of which raise."""

    def make(split: str) -> TaskBank:
        forbidden = np.zeros(len(bank.images), bool)
        forbidden[bank.places(split)] = True
        return replace(bank, images=GuardedImages(bank.images, forbidden))

    return make


@pytest.fixture(
    params=[
        "embedder",
        "meta_train",
        "joint_gan",
        "arms",
        "classifier",
        "posterior",
        "familiarity",
        "controller",
        "tuned",
    ]
)
def work(request: pytest.FixtureRequest, make_settings: Callable[..., MetaTrain], embedders: tuple[Any, Any]) -> Work:
    """A training or a choice; meta-training looks at val classes and chooses a temperature, the arms rates as well."""
    settings = make_settings(meta_steps=2)
    classifier = ClassifierSettings(
        n_way=2,
        k_shot=2,
        n_query=2,
        tasks_per_step=2,
        meta_steps=1,
        validate_every=1,
        validation_tasks=2,
        network={"width": 4},
        adversary={"where": "query", "attack": "pgd", "steps": 1},
    )

    def arms(bank: TaskBank, folder: Path) -> object:
        start = initial_gan(architecture_of(bank, settings), settings.inner, 0)
        models = (
            start.save("meta_model", Provenance()),
            replace(start, parameters=start.networks).save("joint_gan", Provenance()),
        )
        evaluation = Evaluate(
            k_shot=3, n_query=4, steps=(0, 1, 2), baseline_learning_rates=(0.1, 0.3), use={"k_shots": (3,)}
        )
        return build_samplers(bank, load_embedder(embedders[0], bank), *models, settings, evaluation, 0)

    whole = TrainWithRule.model_validate(
        {
            "gan": {"classes": 3, "steps": 2, "batch_size": 4, "interval": 1, "noise_size": 4},
            "controller": {"updates": 2, "pairs": 2, "wide_pairs": 1, "block": 1, "batch_size": 4, "samples": 12},
            "generator_rates": [0.01],
            "discriminator_rates": [0.003],
            "measure_every": 2,
        }
    )
    works: dict[str, Work] = {
        "embedder": lambda bank, folder: train_embedder(
            bank, EmbedderNetwork(width=8, feature_size=8, episodes=3, n_way=4, n_query=2), 0, progress=False
        ),
        "meta_train": lambda bank, folder: meta_train(bank, *embedders, settings, Trainer(), 0, folder, None),
        "joint_gan": lambda bank, folder: train_joint_gan(bank, settings, Trainer(), 0, folder, None),
        "arms": arms,
        "classifier": lambda bank, folder: train_classifier(bank, classifier, Trainer(), 0, folder, None),
        "posterior": lambda bank, folder: train_classifier(
            bank, classifier.model_copy(update={"method": "posterior"}), Trainer(), 0, folder, None
        ),
        "familiarity": lambda bank, folder: familiarity(
            load_embedder(embedders[0], bank), bank, generation_task(bank, "val", 0, 0, 3, 0).support, 0
        ),
        "controller": lambda bank, folder: train_controller(bank, embedders[1], whole, 0, folder, lambda row: None),
        "tuned": lambda bank, folder: WholeTrainings(bank, load_embedder(embedders[0], bank), whole).tuned(0),
    }
    return works[request.param]


def test_no_image_of_a_test_class_is_read(work: Work, guarded: Callable[[str], TaskBank], tmp_path: Path) -> None:
    work(guarded("test"), tmp_path)


def test_a_reader_is_noticed(
    work: Work, guarded: Callable[[str], TaskBank], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The same with images that each must read: of train classes, or of val classes where it chooses by them."""
    only_trains = request.node.callspec.params["work"] in ("embedder", "joint_gan", "controller")
    with pytest.raises(ReadError):
        work(guarded("train" if only_trains else "val"), tmp_path)


def test_test_tasks_read_test_classes(guarded: Callable[[str], TaskBank]) -> None:
    with pytest.raises(ReadError):
        generation_task(guarded("test"), "test", 0, 0, 1, 1)
    assert len(guarded("test").class_images(0)) == 10


def test_training_of_the_controller_reads_no_val_class(
    guarded: Callable[[str], TaskBank], embedders: tuple[Any, Any], tmp_path: Path
) -> None:
    whole = TrainWithRule.model_validate(
        {
            "gan": {"classes": 3, "steps": 2, "batch_size": 4, "interval": 1, "noise_size": 4},
            "controller": {"updates": 2, "pairs": 2, "wide_pairs": 1, "block": 1, "batch_size": 4, "samples": 12},
            "measure_every": 2,
        }
    )
    train_controller(guarded("val"), embedders[1], whole, 0, tmp_path, lambda row: None)
