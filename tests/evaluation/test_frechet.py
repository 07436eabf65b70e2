from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from metagan.errors import UserError
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


def test_only_the_joint_distance_sees_samples_of_the_wrong_class() -> None:
    generator = np.random.default_rng(0)
    classes = np.repeat(generator.normal(size=(50, 4)), 10, axis=0)
    real = classes + 0.1 * generator.normal(size=classes.shape)
    ignorant = np.roll(real, 10, axis=0)
    assert frechet_distance(ignorant, real) < 1e-6
    assert frechet_joint_distance(ignorant, real, classes) > 1


def joint_gaussians(n_tasks: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Samples, real features (n_tasks x n, 12) and conditions of 64 dimensions, and their true distance.

    A condition is 64 coordinates of which six are large. Real features follow the first three, those of the samples
    the next three: as features alone they are equally distributed.
    """
    generator = np.random.default_rng(seed)
    sizes = np.r_[np.full(6, 4.0), np.full(58, 0.01)]
    conditions = np.repeat(generator.normal(size=(n_tasks, 64)) * sizes, n, axis=0)
    follow = np.zeros((2, 64, 12))
    follow[0, :3, :3], follow[1, 3:6, :3] = np.eye(3), np.eye(3)
    real, samples = (conditions @ matrix + generator.normal(size=(len(conditions), 12)) for matrix in follow)
    scale = np.linalg.norm(real, axis=1).mean() / np.linalg.norm(conditions, axis=1).mean()

    def covariance(matrix: np.ndarray) -> np.ndarray:
        of_conditions, across = np.diag(scale**2 * sizes**2), scale * sizes[:, None] ** 2 * matrix
        of_features = matrix.T @ np.diag(sizes**2) @ matrix + np.eye(12)
        return np.block([[of_conditions, across], [across.T, of_features]])

    first, second = map(covariance, follow)
    return samples, real, conditions, float(np.trace(first + second - 2 * sqrtm(first @ second).real))


def test_of_known_gaussians_the_distance_is_estimated() -> None:
    """With many tasks it is the distance of the true covariances, by scipy; with 40 it is near."""
    for n_tasks, tolerance in ((3000, 0.03), (40, 0.25)):
        samples, real, conditions, expected = joint_gaussians(n_tasks, 6, seed=0)
        assert frechet_joint_distance(samples, real, conditions) == pytest.approx(expected, rel=tolerance)
        assert frechet_distance(samples, real) < 0.2 * expected


def test_samples_of_swapped_tasks_are_farther_away_and_the_plain_distance_does_not_mind() -> None:
    """Forty val tasks of twelve images, as training looks at them."""
    generator = np.random.default_rng(1)
    means, mixing = generator.normal(size=(40, 1, 10)), generator.normal(size=(10, 64)) / 4
    supports, made, real = ((means + generator.normal(size=(40, n, 10)) / 2) @ mixing for n in (8, 12, 12))
    conditions = np.repeat(supports.mean(axis=1), 12, axis=0)

    def distances(samples: np.ndarray) -> tuple[float, float]:
        flat = [features.reshape(480, 64) + generator.normal(0, 0.1, (480, 64)) for features in (samples, real)]
        return frechet_joint_distance(*flat, conditions), frechet_distance(*flat)

    (right, plain), (swapped, plain_when_swapped) = distances(made), distances(np.roll(made, 1, axis=0))
    assert swapped > 5 * right
    assert plain_when_swapped == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize(("n_tasks", "size"), [(4, 1), (7, 1), (8, 2), (20, 5), (32, 8), (500, 8)])
def test_as_many_dimensions_of_the_conditions_count_as_the_tasks_can_tell(n_tasks: int, size: int) -> None:
    generator = np.random.default_rng(n_tasks)
    conditions = np.repeat(generator.normal(size=(n_tasks, 16)) * np.arange(16, 0, -1), 40, axis=0)
    samples, real = generator.normal(size=(2, len(conditions), 4))
    axes = np.linalg.svd(conditions - conditions.mean(axis=0), full_matrices=False)[2][:size]
    scale = np.linalg.norm(real, axis=1).mean() / np.linalg.norm(conditions, axis=1).mean()
    expected = by_scipy(*(np.hstack([features, scale * conditions @ axes.T]) for features in (samples, real)))
    assert frechet_joint_distance(samples, real, conditions) == pytest.approx(expected, rel=1e-6)


def test_conditions_too_few_to_be_estimated_are_refused() -> None:
    conditions = np.repeat(np.eye(3), 50, axis=0)
    with pytest.raises(UserError, match="tasks with at least 4 different support sets, not 3: use more tasks"):
        frechet_joint_distance(draw(0, n=150), draw(1, n=150), conditions)


def test_conditions_must_match_the_samples() -> None:
    with pytest.raises(ValueError, match="conditions must be a matrix with 200 rows"):
        frechet_joint_distance(draw(0), draw(1), draw(2, n=100))
