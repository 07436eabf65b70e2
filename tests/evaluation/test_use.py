from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains.image import image
from metagan.evaluation.from_scratch import Trial, accuracies
from metagan.evaluation.use import TRAINING_SETS, use
from metagan.parameters import Evaluate
from metagan.parameters.evaluate import UseSettings
from metagan.tasks.bank import TaskBank

SETTINGS = Evaluate(
    n_tasks=10,
    k_shot=4,
    n_query=8,
    steps=(0, 3),
    nearest_neighbours=3,
    use=UseSettings(k_shots=(1, 4), samples=12, episodes=2),
)


def perfect(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    """Noise without a step, afterwards images as varied as real ones around the mean support image."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(supports), len(steps), n, *supports.shape[2:], generator=generator)
    learned = torch.tensor([float(step > 0) for step in steps])[None, :, None, None, None, None]
    return (learned * supports.mean(1)[:, None, None] + (40 / 255) * noise).clamp(0, 1)


def of_the_next_class(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    return perfect(supports.roll(1, 0), steps, n, seed)


@pytest.fixture(scope="module")
def table(make_bank: Callable[..., TaskBank]) -> dict[str, Any]:
    return use(make_bank(10), {"adapted": perfect, "scratch": of_the_next_class}, 3, SETTINGS, seed=0)


def test_the_table_has_every_key(table: dict[str, Any]) -> None:
    assert {name: table[name] for name in ("n_way", "episodes", "samples_per_class", "step")} == {
        "n_way": 10,
        "episodes": 2,
        "samples_per_class": 12,
        "step": 3,
    }
    assert list(table["by_shots"]) == ["1", "4"]
    assert all(list(row) == [*TRAINING_SETS, "gain"] for row in table["by_shots"].values())
    assert {arm: len(steps) for arm, steps in table["by_step"].items()} == {"adapted": 2, "scratch": 2}
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_good_samples_are_of_use_and_those_of_another_class_do_harm(table: dict[str, Any]) -> None:
    adapted, scratch = ([estimate["mean"] for estimate in table["by_step"][arm]] for arm in ("adapted", "scratch"))
    assert adapted[1] > 0.8
    assert adapted[0] < 0.3  # ten ways, and nothing learned
    assert scratch[1] < 0.1
    assert table["by_shots"]["4"]["samples"]["mean"] > 0.8


def test_gain_is_what_samples_add_to_the_same_support_images(table: dict[str, Any]) -> None:
    for row in table["by_shots"].values():
        added = row["support_samples_jitter"]["mean"] - row["support_jitter"]["mean"]
        assert row["gain"]["mean"] == pytest.approx(added, abs=1.1e-4)


def test_samplers_see_support_images_alone(make_bank: Callable[..., TaskBank]) -> None:
    """What samplers see are K different images of each class, and the bank's."""
    bank = make_bank(10)
    seen: list[Tensor] = []

    def recorded(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        seen.append(supports)
        return perfect(supports, steps, n, seed)

    use(bank, {"adapted": recorded}, 3, SETTINGS.model_copy(update={"judge_steps": 2}), seed=0)
    images = {image.tobytes() for image in np.asarray(bank.images)}
    for supports in seen:
        shown = {(image * 255).round().byte().numpy().tobytes() for image in supports.flatten(0, 1)}
        assert shown <= images
        assert len(shown) == supports.shape[0] * supports.shape[1]
    assert {supports.shape[1] for supports in seen} == {1, 4}


def test_the_number_of_cores_and_the_state_of_the_global_generator_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(40, 1, 16, 16, generator=generator), torch.arange(40) % 4
    trials = [Trial(image, [(images, labels)], (images, labels), 4, seed, jitter=True) for seed in range(3)]
    torch.manual_seed(1)
    first = accuracies(trials, 20)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    torch.manual_seed(2)
    assert accuracies(trials, 20) == first
    assert [accuracies([trial], 20)[0] for trial in trials] == first


def test_labels_that_say_nothing_leave_a_classifier_at_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    images, others = torch.rand(2, 400, 1, 16, 16, generator=generator)
    labels = torch.randint(4, (2, 400), generator=generator)
    found = accuracies([Trial(image, [(images, labels[0])], (others, labels[1]), 4, seed) for seed in range(3)], 80)
    assert np.mean(found) == pytest.approx(0.25, abs=0.05)


def test_too_few_classes_make_fewer_ways(make_bank: Callable[..., TaskBank]) -> None:
    settings = SETTINGS.model_copy(update={"judge_steps": 2, "use": UseSettings(k_shots=(4,), samples=4, episodes=3)})
    assert use(make_bank(3), {"adapted": perfect}, 3, settings, seed=0)["n_way"] == 3
