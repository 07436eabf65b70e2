from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains.image import image
from metagan.errors import UserError
from metagan.evaluation.plane import (
    Critics,
    black_and_white,
    diversity,
    nearest_to_mean_first,
    plane,
    recognisability,
    relative,
)
from metagan.parameters import OneShot
from metagan.tasks.bank import TaskBank

SETTINGS = OneShot().model_copy(
    update={"plane": OneShot().plane.model_copy(update={"k_shots": (1, 4), "n_way": 6, "samples": 10, "tests": 200})}
)


def features(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_exemplar_is_the_drawing_nearest_to_the_mean_of_its_class() -> None:
    drawn = features(0, 5, 7, 3)
    order = nearest_to_mean_first(drawn)
    for of_class, found in zip(drawn, order, strict=True):
        mean = sum(of_class) / 7
        by_hand = sorted(range(7), key=lambda number: sum((of_class[number] - mean) ** 2))
        assert list(found) == by_hand


def test_diversity_is_the_mean_standard_deviation_of_a_sample() -> None:
    drawn = np.array([[[0.0, 10.0], [2.0, 10.0]], [[1.0, 1.0], [1.0, 1.0]]])
    assert diversity(drawn) == pytest.approx([np.sqrt(2) / 2, 0.0])
    assert diversity(np.repeat(features(1, 6, 1, 4), 20, 1)) == pytest.approx(np.zeros(6))


def chance_that_others_are_farther(samples: np.ndarray, references: np.ndarray, n_way: int) -> list[float]:
    """Per class, exactly: how often none of the drawn classes is nearer."""
    chances = []
    for index, of_class in enumerate(samples):
        of_samples = []
        for sample in of_class:
            distances = [float(np.linalg.norm(sample - reference)) for reference in references]
            farther = sum(distance > distances[index] for distance in distances)
            of_samples.append(comb(farther, n_way - 1) / comb(len(references) - 1, n_way - 1))
        chances.append(float(np.mean(of_samples)))
    return chances


def test_recognisability_is_what_the_hypergeometric_distribution_says() -> None:
    references = features(2, 12, 5)
    samples = references[:, None] + 1.2 * features(3, 12, 4, 5)
    found = recognisability(samples, references, n_way=5, tests=4000, seed=0)
    expected = chance_that_others_are_farther(samples, references, 5)
    assert 0.2 < np.mean(expected) < 0.9
    assert found == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(4000))


def test_samples_of_other_classes_are_not_recognised_and_noise_is_at_chance() -> None:
    references = features(4, 30, 5)
    copies = np.repeat(references[:, None], 3, 1)
    assert recognisability(copies, references, 20, 50, 0).min() == 1
    swapped = recognisability(np.roll(copies, 1, 0), references, 30, 50, 0)
    assert swapped.max() == 0
    noise = np.broadcast_to(features(5, 5), (30, 3, 5))
    assert recognisability(noise, references, 20, 2000, 0).mean() == pytest.approx(1 / 20, abs=0.01)
    ties = np.zeros((30, 3, 5))
    assert recognisability(ties, np.zeros((30, 5)), 20, 50, 0).max() == 0


def test_black_and_white_keeps_strokes_and_their_place() -> None:
    images = torch.zeros(2, 1, 1, 28, 28)
    images[0, ..., 7:21, 10:18] = 0.6  # grey ink is ink
    enlarged = black_and_white(images, 56)
    assert set(enlarged.unique().tolist()) == {0.0, 1.0}
    assert enlarged[0, ..., 14:42, 20:36].mean() > 0.95
    assert enlarged[0].sum() == pytest.approx(28 * 16, rel=0.1)
    assert enlarged[1].sum() == 0  # nothing drawn


def test_people_are_at_one_and_distances_are_in_their_units() -> None:
    people = {"diversity": {"mean": 2.0}, "recognisability": {"mean": 80.0}}
    other = {"diversity": {"mean": 3.0}, "recognisability": {"mean": 40.0}}
    assert relative(people, people) == {"diversity": 1, "recognisability": 1, "distance": 0}
    assert relative(other, people) == {"diversity": 1.5, "recognisability": 0.5, "distance": pytest.approx(0.5**0.5)}


def varied(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(supports), len(steps), n, *supports.shape[2:], generator=generator)
    return (supports.mean(1)[:, None, None] + 0.15 * noise).clamp(0, 1)


@pytest.fixture
def points(make_bank: Callable[..., TaskBank], embed: Callable[[Tensor], Tensor]) -> dict[str, dict[str, float]]:
    bank = make_bank(24)
    table, drawings = plane(bank, bank, bank.splits["test"], Critics(embed, embed), varied, SETTINGS, seed=0)
    assert drawings["exemplars"].shape == (24, 1, 1, 16, 16)
    assert drawings["people"].shape == (24, 23, 1, 16, 16)
    return {
        arm: {name: point[name]["mean"] for name in ("diversity", "recognisability")}
        for arm, point in table["points"].items()
    }


def test_what_is_known_stands_where_it_belongs(points: dict[str, dict[str, float]]) -> None:
    assert list(points) == [
        "people", "people_at_model_size", "jittered_copies", "noise", "copies_1_shot", "model_1_shot", "copies_4_shot",
        "model_4_shot",
    ]  # fmt: skip
    assert points["copies_1_shot"]["diversity"] == 0 < points["copies_4_shot"]["diversity"]
    assert points["noise"]["recognisability"] == pytest.approx(100 / 6, abs=6)
    assert points["people"]["recognisability"] > 95
    assert points["people_at_model_size"]["diversity"] > 0
    assert points["jittered_copies"]["diversity"] > 0
    assert points["model_1_shot"]["recognisability"] > 60


def test_too_few_classes_are_told(make_bank: Callable[..., TaskBank], embed: Callable[[Tensor], Tensor]) -> None:
    bank = make_bank(8)
    with pytest.raises(UserError, match=r"one_shot\.plane\.n_way: 6, but the bank has 5 such test classes"):
        plane(bank, bank, np.arange(5), Critics(embed, embed), varied, SETTINGS, seed=0)


def test_the_model_sees_the_exemplar_and_then_its_neighbours(
    make_bank: Callable[..., TaskBank], embed: Callable[[Tensor], Tensor]
) -> None:
    bank, seen = make_bank(9), []

    def recorded(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        seen.append(supports)
        return varied(supports, steps, n, seed)

    plane(bank, bank, np.arange(3, 9), Critics(embed, embed), recorded, SETTINGS, seed=0)
    assert [supports.shape[1] for supports in seen] == [1, 4]
    for index in range(6):
        drawings = image.to_tensor(bank.class_images(3 + index))
        blocks = embed(drawings)
        nearest = (blocks - blocks.mean(0)).norm(dim=1).argsort()
        assert torch.equal(seen[0][index], drawings[nearest[:1]])
        assert torch.equal(seen[1][index], drawings[nearest[:4]])
