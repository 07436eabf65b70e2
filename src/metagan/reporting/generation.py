"""What `generation.json` holds, and how it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from metagan.domains import Names, domain_of
from metagan.errors import UserError
from metagan.parameters import StoredExample, valid_section
from metagan.reporting.measures import ARMS, REFERENCE_ARMS
from metagan.reporting.tables import floats


class LearningRates(TypedDict):
    """Of the arms that step by gradient descent: the rates tried on the val classes, and the best for each arm."""

    tried: list[float]
    best: Mapping[str, float]


class Accuracy(TypedDict):
    mean: float
    ci95: float


class Use(TypedDict):
    """Accuracy of classifiers by the number of support images and by what they were trained on."""

    n_way: int
    episodes: int
    samples_per_class: int
    step: int
    by_shots: Mapping[str, Mapping[str, Accuracy]]


class Generation(TypedDict):
    """What `data/08_reporting/generation.json` holds: one number per step, a single one for those that do not adapt."""

    source: str
    example: Mapping[str, object]
    split: str
    n_tasks: int
    n_classes: NotRequired[int]
    k_shot: int
    n_way: NotRequired[int]
    steps: list[int]
    arms: Mapping[str, Mapping[str, Sequence[float | None] | float | None]]
    gap_closed: Sequence[float | None]
    two_sample_null: NotRequired[Sequence[float]]
    use: NotRequired[Use]
    diverged: NotRequired[Mapping[str, Sequence[float | None]]]
    embedder: NotRequired[Mapping[str, float]]
    learning_rates: NotRequired[LearningRates]
    seconds: NotRequired[Mapping[str, float]]


def example_of(generation: Generation) -> StoredExample:
    """What an example is. Raises UserError where it is not said."""
    return valid_section("generation.example", StoredExample, generation["example"])


def names_of(generation: Generation) -> Names:
    """What an example and all of it is called."""
    return domain_of(example_of(generation)).names


def values(generation: Generation, arm: str, metric: str) -> list[float]:
    """The numbers of one arm, one per step (a single one for those that do not adapt); absent numbers are NaN.

    Raises ValueError when a trained arm has not one number per step.
    """
    expected = 1 if ARMS[arm] in REFERENCE_ARMS else len(generation["steps"])
    found = generation["arms"].get(arm, {}).get(metric)
    if found is None:
        return [math.nan] * expected
    numbers = floats(found if isinstance(found, Sequence) else [found])
    if len(numbers) != expected:
        raise UserError(f"generation.arms.{arm}.{metric} has {len(numbers)} values, expected {expected}")
    return numbers
