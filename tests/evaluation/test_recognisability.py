from __future__ import annotations

import numpy as np
import pytest

from metagan.evaluation.recognisability import n_way_of, recognisability


def class_features(n_classes: int, n_images: int, spread: float, seed: int) -> np.ndarray:
    centres = np.random.default_rng(0).normal(size=(n_classes, 1, 16))
    return centres + spread * np.random.default_rng(seed).normal(size=(n_classes, n_images, 16))


def test_samples_near_their_class_are_recognised() -> None:
    samples, supports = class_features(30, 5, 0.05, seed=1), class_features(30, 3, 0.05, seed=2)
    assert recognisability(samples, supports, np.arange(30), seed=0) == 1.0


def test_samples_of_the_next_class_are_never_recognised_when_it_is_among_the_ways() -> None:
    samples, supports = class_features(10, 5, 0.05, seed=1), class_features(10, 3, 0.05, seed=2)
    assert recognisability(np.roll(samples, 1, axis=0), supports, np.arange(10), seed=0) == 0.0


@pytest.mark.parametrize("n_classes", [2, 5, 20, 40])
def test_samples_that_say_nothing_are_recognised_at_chance(n_classes: int) -> None:
    generator = np.random.default_rng(3)
    samples, supports = generator.normal(size=(400, 10, 8)), generator.normal(size=(400, 4, 8))
    classes = np.arange(400) % n_classes
    chance = 1 / min(20, n_classes)
    error = np.sqrt(chance * (1 - chance) / 4000)
    assert abs(recognisability(samples, supports, classes, seed=0) - chance) < 4 * error


def test_one_decision_in_detail() -> None:
    """Two classes and one support image each leave nothing to chance: nearer to its own is right."""
    supports = np.array([[[0.0]], [[10.0]]])
    samples = np.array([[[1.0], [4.9], [5.1], [20.0]], [[9.0], [5.1], [4.9], [-5.0]]])
    assert recognisability(samples, supports, np.array([7, 3]), seed=0) == 0.5


def test_a_tie_is_not_recognised() -> None:
    assert recognisability(np.zeros((3, 2, 4)), np.zeros((3, 2, 4)), np.arange(3), seed=0) == 0.0


def test_tasks_of_the_same_class_are_no_alternatives() -> None:
    supports = np.array([[[0.0]], [[0.0]], [[10.0]]])
    samples = np.array([[[1.0]], [[1.0]], [[9.0]]])
    assert recognisability(samples, supports, np.array([4, 4, 5]), seed=0) == 1.0


def test_references_beyond_the_tasks_are_alternatives() -> None:
    supports = np.array([[[0.0]], [[10.0]]])
    assert recognisability(np.array([[[8.0]]]), supports, np.array([0, 1]), seed=0) == 0.0
    assert recognisability(np.array([[[2.0]]]), supports, np.array([0, 1]), seed=0) == 1.0


def test_the_seed_draws_the_decisions() -> None:
    samples, supports = class_features(40, 6, 1.0, seed=1), class_features(40, 4, 1.0, seed=2)
    first, again, other = (recognisability(samples, supports, np.arange(40), seed) for seed in (0, 0, 1))
    assert first == again != other


def test_ways_are_twenty_or_all_classes() -> None:
    assert n_way_of(np.array([0, 1, 1, 2])) == 3
    assert n_way_of(np.arange(300)) == 20


def test_a_single_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 different classes"):
        recognisability(np.zeros((2, 1, 4)), np.zeros((2, 1, 4)), np.array([3, 3]), seed=0)
