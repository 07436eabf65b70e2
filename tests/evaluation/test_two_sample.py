from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metagan.domains.image import image
from metagan.errors import UserError
from metagan.evaluation import two_sample
from metagan.evaluation.two_sample import null_interval, two_sample_on_features, two_sample_on_pixels

N_CLASSES, N_EACH = 40, 8
CLASSES = np.arange(N_CLASSES)


def strokes(seed: int) -> Tensor:
    """Images (40, 8, 1, 16, 16) of bars, sharp and exactly black and white; each class has a place and a direction."""
    generator = np.random.default_rng(seed)
    images = torch.zeros(N_CLASSES, N_EACH, 1, 16, 16)
    for index in range(N_CLASSES):
        for number in range(N_EACH):
            place = 2 + index // 4 + generator.integers(-1, 2)
            bar = images[index, number, 0]
            start = generator.integers(0, 4)
            bar[start : start + 11, place : place + 2] = 1
            if index % 2:
                images[index, number, 0] = bar.T.clone()
    return images


REAL, OTHERS = strokes(0), strokes(1)


def smooth(images: Tensor) -> Tensor:
    return F.avg_pool2d(images.flatten(0, 1), 3, 1, 1).view(images.shape)


def test_real_images_are_not_told_from_real_images() -> None:
    low, high = null_interval(CLASSES, N_EACH)
    found = two_sample_on_pixels(image, OTHERS, REAL, CLASSES, 80, seed=0)
    assert all(low <= value <= high for value in found.values()), found


@pytest.mark.parametrize(
    ("fault", "binarised"),
    [
        (lambda images: smooth(images), True),
        (lambda images: (images + 0.05).clamp(max=1), False),
        (lambda images: (images + 0.1 * torch.rand(images.shape)).clamp(max=1), False),
        (lambda images: images.flatten(0, 1)[torch.randperm(len(images) * N_EACH)].view(images.shape) * 0, True),
    ],
    ids=["blur", "haze", "noise", "black"],
)
def test_what_a_person_would_see_is_told(fault: object, binarised: bool) -> None:
    torch.manual_seed(0)
    low, high = null_interval(CLASSES, N_EACH)
    found = two_sample_on_pixels(image, fault(OTHERS), REAL, CLASSES, 80, seed=0)  # type: ignore[operator]
    assert found["two_sample"] > 0.95
    if binarised:
        assert found["two_sample_binarised"] > high
    else:  # grey is all that is wrong with it
        assert low <= found["two_sample_binarised"] <= high


def test_what_eight_bits_do_not_hold_is_not_told() -> None:
    found = two_sample_on_pixels(image, OTHERS + 0.001, REAL, CLASSES, 80, seed=0)
    low, high = null_interval(CLASSES, N_EACH)
    assert low <= found["two_sample"] <= high


def test_images_of_zeros_and_ones_are_not_judged_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed by binarising them."""
    trained = []

    def accuracies(trials: list[object], steps: int) -> list[float]:
        trained.append(len(trials))
        return [0.1 * number for number in range(len(trials))]

    monkeypatch.setattr(two_sample, "accuracies", accuracies)
    grey = torch.rand(4, 3, 1, 16, 16)
    for images in (grey, grey.round()):
        found = two_sample_on_pixels(image, images, images, np.arange(4), 1, 0)
        assert (found["two_sample"] == found["two_sample_binarised"]) == (images is not grey)
    assert two_sample_on_pixels(image, grey, grey, np.arange(4), 1, 0, ("two_sample",)) == {
        "two_sample": pytest.approx(0.1)
    }
    assert trained == [2 * two_sample.SEEDS, two_sample.SEEDS, two_sample.SEEDS]


def test_the_test_half_has_other_classes_than_the_training_half() -> None:
    """Every class has a mark of its own on its made images: learned by heart, it is of no use for other classes."""
    generator = torch.Generator().manual_seed(3)
    marks = (torch.rand(N_CLASSES, 1, 1, 16, 16, generator=generator) > 0.5).float()
    made, real = marks * OTHERS, (1 - marks) * REAL
    assert two_sample_on_pixels(image, made, real, CLASSES, 80, seed=0)["two_sample"] < 0.7
    repeated = np.zeros(N_CLASSES, dtype=int)
    with pytest.raises(UserError, match=r"evaluate\.n_tasks: .* at least 2 classes"):
        two_sample_on_pixels(image, made, real, repeated, 80, seed=0)


def test_the_seed_decides_everything() -> None:
    torch.manual_seed(1)
    first = two_sample_on_pixels(image, smooth(OTHERS), REAL, CLASSES, 80, seed=0)
    torch.manual_seed(2)
    assert two_sample_on_pixels(image, smooth(OTHERS), REAL, CLASSES, 80, seed=0) == first


def test_features_of_one_distribution_are_not_told_and_shifted_ones_are() -> None:
    generator = np.random.default_rng(0)
    real, made = generator.normal(size=(2, 100, 12, 16))
    low, high = null_interval(np.arange(100), 12)
    same = two_sample_on_features(made, real, np.arange(100), seed=0)
    assert all(low <= value <= high for value in same.values()), same
    shifted = two_sample_on_features(made + 0.75, real, np.arange(100), seed=0)
    assert all(value > 0.85 for value in shifted.values()), shifted


def test_the_best_rule_for_two_normal_distributions_bounds_the_network() -> None:
    """Two unit normals whose means are d apart are told by no rule more often than Phi(d / 2); a linear rule does."""
    generator = np.random.default_rng(1)
    real, made = generator.normal(size=(2, 200, 12, 4))
    made[..., 0] += 2.0
    found = two_sample_on_features(made, real, np.arange(200), seed=0)
    assert found["two_sample_features"] == pytest.approx(0.8413, abs=0.02)


def test_the_null_interval_is_that_of_a_coin() -> None:
    """Of 50 tasks with 8 made and 8 real images each, 25 are tested: 400 throws, standard deviation 0.025."""
    low, high = null_interval(np.arange(50), 8)
    assert (0.5 - low, high - 0.5) == pytest.approx((1.96 * 0.025, 1.96 * 0.025))
