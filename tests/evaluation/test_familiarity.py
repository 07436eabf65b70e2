from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.evaluation.familiarity import familiarity
from metagan.nets.embedder import Embedder
from metagan.parameters import EmbedderNetwork, Tasks
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.sampling import generation_task
from metagan.tasks.sources import SOURCES
from metagan.training.embedder import load_embedder, train_embedder

COUNT = 5


def digits(folder: Path) -> TaskBank:
    tasks = Tasks(source="digits", image_size=16)
    return BankPlan(SOURCES["digits"](tasks, 0, folder), 1).write(folder / "bank", progress=False)


def letters(folder: Path) -> TaskBank:
    """Some letters of each split."""
    source = SOURCES["glyphs"](Tasks(glyphs={"samples_per_class": 8}), 0, folder)
    counts = {"train": 60, "val": 20, "test": 20}
    chosen = [
        index
        for split, count in counts.items()
        for index in [i for i, record in enumerate(source.classes) if record.split == split][:: count // 8 + 1][:count]
    ]
    few = replace(
        source,
        classes=tuple(source.classes[i] for i in chosen),
        drawings=tuple(source.drawings[i] for i in chosen),
    )
    return BankPlan(few, 1).write(folder / "bank", progress=False)


@pytest.fixture(scope="module", params=["digits", pytest.param("letters", marks=pytest.mark.slow)])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Embedder, TaskBank]:
    bank = {"digits": digits, "letters": letters}[request.param](tmp_path_factory.mktemp(request.param))
    settings = EmbedderNetwork(width=16, feature_size=8, episodes=20, n_way=3, n_query=2)
    return load_embedder(train_embedder(bank, settings, 0, progress=False), bank), bank


def noise(size: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).random((COUNT, 1, size, size), np.float32))


def slopes(size: int) -> Tensor:
    """Smooth gradients of brightness in several directions, as a photograph of a wall."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1)
    directions = np.random.default_rng(0).uniform(0, 0.5, (COUNT, 2))
    return torch.tensor(np.stack([a * x + b * y for a, b in directions])[:, None], dtype=torch.float32)


def test_unseen_classes_are_familiar(trained: tuple[Embedder, TaskBank]) -> None:
    embedder, bank = trained
    found = [
        familiarity(embedder, bank, generation_task(bank, "test", 1, index, COUNT, 0).support, 0) for index in range(6)
    ]
    assert sum(distance > limit for distance, limit, _ in found) <= 1
    assert sum(unlike.any() for *_, unlike in found) <= 1


@pytest.mark.parametrize("draw", [noise, slopes])
def test_noise_and_photographs_are_not(trained: tuple[Embedder, TaskBank], draw: object) -> None:
    embedder, bank = trained
    distance, limit, unlike = familiarity(embedder, bank, draw(bank.example.shape[-1]), 0)  # type: ignore[operator]
    assert distance > 1.1 * limit
    assert unlike.any()


@pytest.mark.parametrize("trained", [pytest.param("letters", marks=pytest.mark.slow)], indirect=True)
def test_the_pictures_that_are_unlike_are_told_from_the_others(trained: tuple[Embedder, TaskBank]) -> None:
    embedder, bank = trained
    odd = noise(bank.example.shape[-1]).round()
    for index in range(COUNT):
        pictures = generation_task(bank, "test", 1, index, COUNT, 0).support
        pictures[index] = odd[index]
        assert familiarity(embedder, bank, pictures, 0).unlike.nonzero()[0].tolist() == [index]


def test_the_limit_is_that_of_val_classes(trained: tuple[Embedder, TaskBank]) -> None:
    """Whatever the test classes look like: here they are noise."""
    embedder, bank = trained
    pictures = generation_task(bank, "val", 1, 0, COUNT, 0).support
    images = np.array(bank.images)
    images[bank.places("test")] = np.random.default_rng(0).integers(0, 256, images[bank.places("test")].shape)
    changed, found = (familiarity(embedder, replace(bank, images=all), pictures, 0) for all in (images, bank.images))
    assert changed[:2] == found[:2]
    np.testing.assert_array_equal(changed.unlike, found.unlike)


def test_it_is_the_same_again_and_copes_with_more_pictures_than_a_class_has(tmp_path: Path) -> None:
    bank = digits(tmp_path)
    torch.manual_seed(0)
    embedder = Embedder(channels=1, width=8, feature_size=8, image_size=16).eval()
    pictures = torch.rand(300, 1, 16, 16)
    first, second = (familiarity(embedder, bank, pictures, 0) for _ in range(2))
    assert first[:2] == second[:2]
    assert np.array_equal(first.unlike, second.unlike)
