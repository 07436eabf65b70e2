"""The head of the report: are samples told from real images, and are they of use to a classifier?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metagan.reporting.generation import Generation, names_of, values
from metagan.reporting.measures import Arm

TRAINING_SETS = {
    "support": "K real {many}",
    "support_jitter": "K real {many}, jittered",
    "as_many_samples": "K samples",
    "samples": "{n} samples",
    "support_samples_jitter": "K real {many} and {n} samples, jittered",
    "gain": "what samples add to jittered real {many}",
}


@dataclass(frozen=True)
class Told:
    """How often small networks tell an arm's samples from real ones, as they are saved and binarised."""

    arm: Arm
    saved: float
    binarised: float


@dataclass(frozen=True)
class UseRow:
    """What a classifier was trained on, and its accuracy on real images for each K, with the interval."""

    label: str
    accuracies: tuple[tuple[float, float], ...]


def told_apart(generation: Generation, arms: Sequence[Arm], step: int) -> list[Told]:
    """The two-sample test of each arm after `step` steps."""
    return [
        Told(arm, *(value_at(generation, arm.name, name, step) for name in ("two_sample", "two_sample_binarised")))
        for arm in arms
    ]


def use_rows(generation: Generation) -> list[UseRow]:
    """A row for each training set, and one for what samples add to jittered real images; none if use is not known."""
    if (use := generation.get("use")) is None:
        return []
    many = names_of(generation).many
    return [
        UseRow(
            label.format(many=many, n=use["samples_per_class"]),
            tuple((row[name]["mean"], row[name]["ci95"]) for row in use["by_shots"].values()),
        )
        for name, label in TRAINING_SETS.items()
    ]


def value_at(generation: Generation, arm: str, metric: str, step: int) -> float:
    """A metric of an arm after `step` steps; the only one of an arm that does not adapt."""
    numbers = values(generation, arm, metric)
    return numbers[0] if len(numbers) == 1 else numbers[generation["steps"].index(step)]


def distance_ratio(generation: Generation, step: int) -> float:
    """FJD of `adapted` over that of `real`, NaN without either."""
    real = value_at(generation, "real", "fjd", step)
    return value_at(generation, "adapted", "fjd", step) / real if real else math.nan
