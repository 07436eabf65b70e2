from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.evaluation import augmentation as module
from metagan.evaluation.augmentation import ARMS, augmentation
from metagan.evaluation.from_scratch import Trial
from metagan.parameters import AugmentationProtocol, OneShot
from metagan.tasks.bank import TaskBank

PROTOCOL = AugmentationProtocol(class_splits=3, n_way=6, real_images=(2, 5), samples=9, judge_steps=40)
SETTINGS = OneShot(augmentation=PROTOCOL, step=3)


def perfect(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    """Images as varied as real ones around the mean support image."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(supports), len(steps), n, *supports.shape[2:], generator=generator)
    return (supports.mean(1)[:, None, None] + (40 / 255) * noise).clamp(0, 1)


def of_the_next_class(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    return perfect(supports.roll(1, 0), steps, n, seed)


def pixels(images: Tensor) -> set[bytes]:
    return {picture.mul(255).round().byte().numpy().tobytes() for picture in images.flatten(0, -4)}


@pytest.fixture
def trials(make_bank: Callable[..., TaskBank], monkeypatch: pytest.MonkeyPatch) -> tuple[list[Trial], list[Tensor]]:
    """What would be trained, and the support sets that the model would adapt to, at most 3 images at once."""
    built: list[Trial] = []
    seen: list[Tensor] = []

    def recorded(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        assert steps == (3,)
        seen.append(supports)
        return perfect(supports, steps, n, seed)

    def untrained(given: list[Trial], steps: int) -> list[float]:
        assert steps == 40
        built.extend(given)
        return [0.5] * len(given)

    monkeypatch.setattr(module, "accuracies", untrained)
    augmentation(make_bank(10), recorded, 3, SETTINGS, seed=0)
    return built, seen


def test_every_classifier_is_tested_on_the_drawings_that_are_left(trials: tuple[list[Trial], list[Tensor]]) -> None:
    built, _ = trials
    assert len(built) == 3 * 2 * len(ARMS)
    for number, trial in enumerate(built):
        n_real = (2, 5)[number // len(ARMS) % 2]
        (real, labels), *made = trial.parts
        assert len(real) == 6 * n_real and len(trial.test[0]) == 6 * (24 - n_real)
        assert not pixels(real[None]) & pixels(trial.test[0][None])
        assert labels.tolist() == [label for label in range(6) for _ in range(n_real)]
        assert trial.jitter == (number % 4 in (1, 3))
        assert [len(images) for images, _ in made] == ([] if number % 4 < 2 else [6 * (9 if n_real == 2 else 10)])


def test_the_model_adapts_to_all_training_images_in_parts_and_to_no_other(
    trials: tuple[list[Trial], list[Tensor]],
) -> None:
    built, seen = trials
    assert [supports.shape[1] for supports in seen] == [2, 3, 2] * 3
    for split in range(3):
        two, *five = seen[3 * split : 3 * split + 3]
        first, second = (built[8 * split + shift].parts[0][0] for shift in (0, 4))
        assert pixels(two) == pixels(first[None])
        assert pixels(five[0]) | pixels(five[1]) == pixels(second[None])


def test_class_splits_differ_and_are_seeded(trials: tuple[list[Trial], list[Tensor]]) -> None:
    built, _ = trials
    tests = [frozenset(pixels(built[8 * split].test[0][None])) for split in range(3)]
    assert len(set(tests)) == 3


def test_samples_help_and_those_of_another_class_do_harm(make_bank: Callable[..., TaskBank]) -> None:
    bank = make_bank(10)
    table = augmentation(bank, perfect, 8, SETTINGS, seed=0)
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert {name: table[name] for name in ("n_way", "class_splits", "test_classes", "samples_per_class", "step")} == {
        "n_way": 6, "class_splits": 3, "test_classes": 10, "samples_per_class": 9, "step": 3,
    }  # fmt: skip
    row = table["real_images"]["2"]
    assert list(row) == [*ARMS, "gain"]
    assert row["samples"]["mean"] > 60
    added = row["traditional_samples"]["mean"] - row["traditional"]["mean"]
    assert row["gain"]["mean"] == pytest.approx(added)
    swapped = augmentation(bank, of_the_next_class, 8, SETTINGS, seed=0)["real_images"]["2"]
    assert swapped["none"] == row["none"] and swapped["traditional"] == row["traditional"]
    assert swapped["samples"]["mean"] < row["samples"]["mean"] - 10


def test_intervals_are_over_the_class_splits(
    make_bank: Callable[..., TaskBank], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = np.random.default_rng(0).random((3, 2, 4))
    monkeypatch.setattr(module, "accuracies", lambda trials, steps: made_up.ravel().tolist())
    table = augmentation(make_bank(10), perfect, 8, SETTINGS, seed=0)["real_images"]
    for row, n_real in enumerate(("2", "5")):
        for column, arm in enumerate(ARMS):
            values = 100 * made_up[:, row, column]
            assert table[n_real][arm]["mean"] == pytest.approx(values.mean())
            assert table[n_real][arm]["ci95"] == pytest.approx(1.96 * np.std(values, ddof=1) / 3**0.5)


def test_too_few_classes_are_told(make_bank: Callable[..., TaskBank]) -> None:
    with pytest.raises(UserError, match=r"one_shot\.augmentation\.n_way: 6, but the bank has 5 such test classes"):
        augmentation(make_bank(5), perfect, 8, SETTINGS, seed=0)
