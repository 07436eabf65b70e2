from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.evaluation.diversity import diversity, within_class_spread


@given(n_images=st.integers(2, 6), seed=st.integers(0, 2**16))
def test_spread_is_the_mean_distance_over_pairs(n_images: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(3, n_images, 4))
    pairs = [np.linalg.norm(task[i] - task[j]) for task in features for i, j in combinations(range(n_images), 2)]
    assert within_class_spread(features) == pytest.approx(np.mean(pairs))


def test_spread_ignores_differences_between_classes() -> None:
    features = np.random.default_rng(0).normal(size=(5, 4, 3))
    moved = features + 100 * np.arange(5)[:, None, None]
    assert within_class_spread(moved) == pytest.approx(within_class_spread(features))


def test_diversity_is_the_ratio_of_spreads() -> None:
    real = np.random.default_rng(0).normal(size=(5, 4, 3))
    assert diversity(real, real) == 1.0
    assert diversity(0.25 * real + 3, real) == pytest.approx(0.25)
    assert diversity(np.zeros_like(real), real) == 0.0


def test_the_number_of_images_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    few, many = generator.normal(size=(3000, 3, 8)), generator.normal(size=(1000, 12, 8))
    assert diversity(few, many) == pytest.approx(1.0, abs=0.01)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 images per task, not 1"):
        diversity(np.zeros((3, 1, 2)), np.random.default_rng(0).normal(size=(3, 4, 2)))
    with pytest.raises(ValueError, match="real images that differ"):
        diversity(np.zeros((3, 4, 2)), np.ones((3, 4, 2)))
