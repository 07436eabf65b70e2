from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from metagan.evaluation.frechet import frechet_distance, frechet_joint_distance


def by_scipy(samples: np.ndarray, real: np.ndarray) -> float:
    first, second = np.cov(samples, rowvar=False), np.cov(real, rowvar=False)
    means = ((samples.mean(axis=0) - real.mean(axis=0)) ** 2).sum()
    return float(means + np.trace(first + second - 2 * sqrtm(first @ second).real))


def draw(seed: int, n: int = 200, features: int = 8) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, features)) @ generator.normal(size=(features, features)) + generator.normal()


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_agrees_with_scipy(seed: int) -> None:
    samples, real = draw(seed), draw(seed + 1)
    assert frechet_distance(samples, real) == pytest.approx(by_scipy(samples, real), rel=1e-8)


def test_float32_features_are_measured_in_float64() -> None:
    samples, real = (100 + draw(seed).astype(np.float32) for seed in (0, 1))
    in_double = by_scipy(samples.astype(np.float64), real.astype(np.float64))
    assert frechet_distance(samples, real) == pytest.approx(in_double, rel=1e-8)


def test_gaussians_in_closed_form() -> None:
    standard = np.random.default_rng(0).normal(size=(500, 3))
    standard = np.linalg.solve(
        np.linalg.cholesky(np.cov(standard, rowvar=False)), (standard - standard.mean(axis=0)).T
    ).T
    # N(0, I) and N((1, 2, 2), 9 I): 9 + 3 (1 + 9 - 2 x 3).
    assert frechet_distance(3 * standard + [1, 2, 2], standard) == pytest.approx(9 + 12)


def test_equal_sets_are_at_zero_and_never_below() -> None:
    for seed in range(20):
        real = draw(seed, n=40)
        assert 0 <= frechet_distance(real[::-1], real) < 1e-6


def test_more_features_than_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"needs more than 8 samples, not 8: .*feature_size"):
        frechet_distance(draw(0, n=8), draw(1, n=8))


def test_joint_distance_is_the_distance_of_scaled_concatenations() -> None:
    samples, real, conditions = draw(0), draw(1), draw(2, features=5)
    scale = 0.7 * np.linalg.norm(real, axis=1).mean() / np.linalg.norm(conditions, axis=1).mean()
    expected = by_scipy(
        np.concatenate([samples, scale * conditions], axis=1), np.concatenate([real, scale * conditions], axis=1)
    )
    assert frechet_joint_distance(samples, real, conditions, weight=0.7) == pytest.approx(expected, rel=1e-6)


def test_joint_distance_does_not_depend_on_the_unit_of_the_conditions() -> None:
    samples, real, conditions = draw(0), draw(1), draw(2)
    expected = frechet_joint_distance(samples, real, conditions)
    assert frechet_joint_distance(samples, real, 1000 * conditions) == pytest.approx(expected, rel=1e-6)


def test_joint_distance_without_conditions_is_the_plain_one() -> None:
    samples, real, conditions = draw(0), draw(1), draw(2)
    assert frechet_joint_distance(samples, real, conditions, weight=0) == frechet_distance(samples, real)
    silent = frechet_joint_distance(samples, real, np.zeros_like(conditions))
    assert silent == pytest.approx(frechet_distance(samples, real), rel=1e-6)


def test_only_the_joint_distance_sees_samples_of_the_wrong_class() -> None:
    generator = np.random.default_rng(0)
    classes = np.repeat(generator.normal(size=(50, 4)), 10, axis=0)
    real = classes + 0.1 * generator.normal(size=classes.shape)
    ignorant = np.roll(real, 10, axis=0)
    assert frechet_distance(ignorant, real) < 1e-6
    assert frechet_joint_distance(ignorant, real, classes) > 1


def test_conditions_must_match_the_samples() -> None:
    with pytest.raises(ValueError, match="conditions must be a matrix with 200 rows"):
        frechet_joint_distance(draw(0), draw(1), draw(2, n=100))
