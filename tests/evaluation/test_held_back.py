from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains.image import image
from metagan.evaluation import held_back
from metagan.evaluation.from_scratch import Trial
from metagan.evaluation.held_back import REPEATS, Gain, folds, held_back_use, paired_gain

COUNTS = (6, 5, 5, 6, 5, 6, 5, 5)
STEPS = 30


def pictures_of(index: int, n: int, seed: int) -> Tensor:
    """A class: a faint blocky picture of its own among noise."""
    own = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(index)).repeat_interleave(4, 2)
    noise = torch.randn(n, 1, 16, 16, generator=torch.Generator().manual_seed(1000 * index + seed))
    return (0.5 + 0.4 * (own.repeat_interleave(4, 3) - 0.5) + 0.4 * noise).clamp(0, 1)


@pytest.fixture(scope="module")
def classes() -> list[Tensor]:
    return [pictures_of(index, count, 1) for index, count in enumerate(COUNTS)]


def perfect(index: int, left: Tensor, fold: int) -> Tensor:
    return pictures_of(index, 48, 100 + fold)


def noise(index: int, left: Tensor, fold: int) -> Tensor:
    return torch.rand(48, 1, 16, 16, generator=torch.Generator().manual_seed(10 * index + fold))


def of_the_next_class(index: int, left: Tensor, fold: int) -> Tensor:
    return perfect((index + 1) % len(COUNTS), left, fold)


def measured(classes: list[Tensor], draw: Callable[[int, Tensor, int], Tensor], seed: int = 0) -> dict:
    found = held_back_use(image, classes, draw, 1, STEPS, seed)
    assert found is not None
    return found


def test_samples_that_are_as_good_as_real_ones_help(classes: list[Tensor]) -> None:
    found = measured(classes, perfect)
    assert found["verdict"] == "helped"
    assert found["gain"]["mean"] == pytest.approx(found["left_samples_jitter"] - found["left_jitter"], abs=2e-4)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["held_back"], found["samples_per_class"]) == (list(COUNTS), 48)


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_not_said_to_help(classes: list[Tensor], seed: int) -> None:
    assert measured(classes, noise, seed)["verdict"] != "helped"


def test_samples_of_other_classes_do_harm(classes: list[Tensor]) -> None:
    found = measured(classes, of_the_next_class)
    assert found["verdict"] == "harmed"
    assert found["gain"]["mean"] < 0


def test_samples_are_made_without_what_is_held_back(classes: list[Tensor]) -> None:
    """Every picture is out of sight in one part and there in the others, so that samples cannot be copies of it."""
    seen: dict[tuple[int, int], set[bytes]] = {}

    def recorded(index: int, left: Tensor, fold: int) -> Tensor:
        seen[index, fold] = {picture.numpy().tobytes() for picture in left}
        return noise(index, left, fold)

    held_back_use(image, classes, recorded, 1, 1, 0)
    for index, pictures in enumerate(classes):
        own = {picture.numpy().tobytes() for picture in pictures}
        for first in range(0, 5 * REPEATS, 5):
            away = [own - seen[index, part] for part in range(first, first + 5)]
            assert all(seen[index, part] <= own for part in range(first, first + 5))
            assert sum(map(len, away)) == len(own) == len(set().union(*away))


@pytest.mark.parametrize(("counts", "fewest"), [((6, 4, 5), 1), ((4, 4), 1), ((1, 7), 1), ((3, 20), 3), ((9, 6), 5)])
def test_every_picture_that_can_be_spared_is_held_back_once(counts: tuple[int, ...], fewest: int) -> None:
    parts = folds(counts, fewest, seed=0)
    assert 2 <= len(parts) <= 5
    for index, count in enumerate(counts):
        times = sum(part[index].astype(int) for part in parts)
        assert (times == times[0]).all() and times[0] in (0, 1)
        if times[0]:
            assert min(count - part[index].sum() for part in parts) >= fewest
        else:
            assert count - -(-count // len(parts)) < fewest
    assert all(sum(own.sum() for own in part) for part in parts)


@pytest.mark.parametrize(("counts", "fewest"), [((1, 1, 1), 1), ((5, 5), 5)])
def test_where_nothing_can_be_spared_nothing_is_measured(counts: tuple[int, ...], fewest: int) -> None:
    assert folds(counts, fewest, 0) == []
    classes = [pictures_of(index, count, 1) for index, count in enumerate(counts)]
    assert held_back_use(image, classes, noise, fewest, 1, 0) is None
    assert held_back_use(image, [pictures_of(0, 9, 1)], noise, 1, 1, 0) is None


def test_small_classes_count_as_much_as_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else samples would seem to help by evening out the classes."""
    trials: list[Trial] = []

    def all_right(given: list[Trial], steps: int) -> list[Tensor]:
        trials.extend(given)
        return [torch.ones(len(trial.test[1]), dtype=torch.bool) for trial in given]

    monkeypatch.setattr(held_back, "answers", all_right)
    found = measured([pictures_of(0, 40, 1), pictures_of(1, 3, 1)], noise)
    for trial in trials:
        for _, labels in trial.parts:
            assert labels.bincount().unique().numel() == 1
    assert (found["left"], found["left_jitter"], found["verdict"]) == (1.0, 1.0, "within chance")


def test_an_answer_counts_for_its_picture(classes: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that knows with samples alone what has bright pixels in the corner gains that share of the pictures."""

    def bright(given: list[Trial], steps: int) -> list[Tensor]:
        return [trial.test[0][:, 0, 0, 0] > (0.5 if len(trial.parts) == 2 else 9) for trial in given]

    monkeypatch.setattr(held_back, "answers", bright)
    share = (torch.cat(classes)[:, 0, 0, 0] > 0.5).double()
    gain = measured(classes, noise)["gain"]
    assert gain["mean"] == pytest.approx(share.mean().item(), abs=1e-4)
    expected = paired_gain(share.numpy())
    assert (gain["low"], gain["high"]) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_the_interval_is_that_of_agresti_and_min() -> None:
    """By their formula for a table of counts: half a picture is added to each of its four cells."""
    both, only_with, only_without, neither = 10, 6, 2, 4
    b, c, n = only_with + 0.5, only_without + 0.5, both + only_with + only_without + neither + 2
    centre, width = (b - c) / n, 1.96 * (b + c - (b - c) ** 2 / n) ** 0.5 / n
    found = paired_gain(np.repeat([0.0, 1.0, -1.0, 0.0], [both, only_with, only_without, neither]))
    assert found == pytest.approx((4 / 22, centre - width, centre + width))


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([1, 1], "within chance"), ([1] * 5, "helped"), ([-1] * 5, "harmed"), ([0] * 50, "within chance")],
)
def test_a_few_pictures_that_agree_prove_nothing(differences: list[int], expected: str) -> None:
    assert paired_gain(np.array(differences, float)).verdict == expected
    assert Gain(0.1, 0.0, 0.2).verdict == "within chance"
