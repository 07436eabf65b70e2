"""Each measure of new classes says no to what is not a class, and its limits are those of real ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metagan.evaluation.class_distances import class_distances, nearest_other
from metagan.evaluation.class_measures import blank, greyness, limits_of, recognised
from metagan.evaluation.kernel_distance import kernel_distance


def clusters(seed: int, count: int = 24, images: int = 10, spread: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 1, 6)) + spread * generator.normal(size=(count, images, 6))


def test_distances_are_those_of_torchmetrics() -> None:
    first, second = clusters(0, 3), clusters(1, 20)
    found = class_distances(first, second)
    for row in range(3):
        for column in range(20):
            expected = kernel_distance(first[row], second[column], 0, subsets=1, subset_size=10)
            assert found[row, column] == pytest.approx(expected, rel=1e-6)
    assert np.allclose(class_distances(second, first), found.T)


def test_a_class_has_no_distance_to_itself_on_average() -> None:
    halves = clusters(0, 200, 20)
    own = np.diag(class_distances(halves[:, :10], halves[:, 10:]))
    assert abs(own.mean()) < 3 * own.std() / np.sqrt(200) and own.min() < 0
    assert own.max() < np.median(nearest_other(halves))


def test_the_nearest_other_is_another() -> None:
    values = clusters(0, 6)
    pairs = class_distances(values, values)
    expected = [min(pairs[i, j] for j in range(6) if j != i) for i in range(6)]
    assert np.allclose(nearest_other(values), expected)


def test_classes_are_recognised_and_noise_is_not() -> None:
    assert recognised(clusters(0, spread=0.01), 0).tolist() == [1.0] * 24
    noise = recognised(np.random.default_rng(0).normal(size=(60, 20, 6)), 0)
    assert noise.mean() == pytest.approx(1 / 20, abs=0.02)
    assert recognised(np.ones((5, 4, 6)), 0).tolist() == [0.0] * 5  # a tie is wrong
    one_bad = clusters(0, spread=0.01)
    one_bad[3] = np.random.default_rng(0).normal(size=(10, 6)) * 3
    found = recognised(one_bad, 0)
    assert found[3] < 0.6 and np.delete(found, 3).min() > 0.8


def test_limits_are_quantiles_of_real_classes() -> None:
    real, train = clusters(0, 100), clusters(1, 40)
    images = torch.rand(100, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    limits = limits_of(images, real, train, 0)
    near = class_distances(real, train).min(1)
    assert (near < limits.copy).sum() == 1 and (near < limits.low).sum() == 5 and (near > limits.high).sum() == 5
    assert (nearest_other(real) < limits.apart).sum() == 5
    assert (recognised(real, 0) < limits.recognised).sum() <= 5
    assert (greyness(images) > limits.grey).sum() == 5


def test_greyness() -> None:
    generator = torch.Generator().manual_seed(0)
    sharp = (torch.rand(3, 2, 1, 8, 8, generator=generator) > 0.5).float()
    assert greyness(sharp).tolist() == [0.0] * 3
    assert greyness(torch.full((1, 2, 1, 8, 8), 0.25)) == pytest.approx([0.75])
    assert greyness(torch.zeros(1, 2, 1, 8, 8)).tolist() == [0.0]


def test_blank_is_what_hardly_varies() -> None:
    images = torch.zeros(3, 2, 1, 8, 8)
    images[0, :, 0, 0, 0], images[1, 0, 0, 0, 0], images[2, :, 0, 0, 0] = 1.0, 1.0, 0.4
    assert blank(images).tolist() == [False, True, True]
