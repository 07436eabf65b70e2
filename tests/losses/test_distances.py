"""Distances between sets against direct sums over pairs, and the properties that make them objectives."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metagan.losses.distances import DISTANCES, energy_distance, energy_statistic, mmd, multi_scale_pixels

Distance = Callable[[Tensor, Tensor], Tensor]
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
each_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES.keys())


def points(n: int, dimension: int = 3, seed: int = 0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimension, dtype=torch.float64, generator=generator) + shift


def mean_over_pairs(first: np.ndarray, second: np.ndarray, value: Callable[[float], float], same: bool) -> float:
    """Mean of value(|x - y|) over all pairs, without those of a point with itself."""
    values = [
        value(math.dist(x, y))
        for (i, x), (j, y) in product(enumerate(first), enumerate(second))
        if not (same and i == j)
    ]
    return sum(values) / len(values)


def test_energy_distance_is_the_sum_over_pairs() -> None:
    x, y = points(5, seed=1), points(7, seed=2, shift=0.7)

    def mean(first: Tensor, second: Tensor) -> float:
        return mean_over_pairs(first.numpy(), second.numpy(), lambda distance: distance, first is second)

    assert energy_distance(x, y).item() == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y), rel=1e-6)


def test_mmd_is_the_sum_over_pairs() -> None:
    x, y = points(5, seed=3), points(7, seed=4, shift=0.7)
    scale = mean_over_pairs(y.numpy(), y.numpy(), lambda distance: distance**2, same=True)

    def kernel(distance: float) -> float:
        return sum(math.exp(-(distance**2) / (2 * width * scale)) for width in BANDWIDTHS) / len(BANDWIDTHS)

    def mean(first: Tensor, second: Tensor) -> float:
        return mean_over_pairs(first.numpy(), second.numpy(), kernel, first is second)

    assert mmd(x, y).item() == pytest.approx(mean(x, x) + mean(y, y) - 2 * mean(x, y), rel=1e-6)


def test_mmd_holds_the_widths_of_its_kernels_constant() -> None:
    x, y = points(4, seed=5), points(4, seed=6, shift=0.5).requires_grad_()
    scale = 2 * y.detach().var(0).sum() + 1e-8  # E|y - y'|^2 = 2 trace(covariance)

    def kernel(first: Tensor, second: Tensor) -> Tensor:
        squared = (first[:, None] - second[None]).square().sum(2)
        return torch.stack([torch.exp(-squared / (2 * width * scale)) for width in BANDWIDTHS]).mean(0)

    (gradient,) = torch.autograd.grad(mmd(x, y), y)
    (expected,) = torch.autograd.grad((kernel(y, y).sum() - 4) / 12 - 2 * kernel(x, y).mean(), y)
    torch.testing.assert_close(gradient, expected)


@each_distance
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 8), m=st.integers(2, 8))
def test_order_of_the_points_does_not_count(distance: Distance, seed: int, n: int, m: int) -> None:
    x, y = points(n, seed=seed), points(m, seed=seed + 1, shift=0.3)
    generator = torch.Generator().manual_seed(seed)
    shuffled = x[torch.randperm(n, generator=generator)], y[torch.randperm(m, generator=generator)]
    torch.testing.assert_close(distance(*shuffled), distance(x, y))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10), shift=st.floats(-3, 3))
def test_scaling_and_moving_both_sets(seed: int, scale: float, shift: float) -> None:
    """Energy is symmetric and grows with the scale; MMD adapts its kernels to it."""
    x, y = points(5, seed=seed), points(6, seed=seed + 1, shift=0.5)
    torch.testing.assert_close(energy_distance(y, x), energy_distance(x, y))
    moved = x * scale + shift, y * scale + shift
    torch.testing.assert_close(energy_distance(*moved), scale * energy_distance(x, y), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mmd(*moved), mmd(x, y), rtol=1e-4, atol=1e-5)


@each_distance
def test_unbiased_around_zero_for_one_distribution(distance: Distance) -> None:
    """A mean within 4 standard errors of 0; the biased estimator's would be tens of them above."""
    values = torch.stack([distance(points(4, seed=i), points(4, seed=10_000 + i)) for i in range(600)])
    error = values.std() / len(values) ** 0.5
    assert values.mean().abs() < 4 * error
    assert values.min() < 0 < values.max()


@each_distance
def test_far_above_zero_for_two_distributions(distance: Distance) -> None:
    same = distance(points(60, seed=1), points(60, seed=2))
    moved = distance(points(60, seed=1), points(60, seed=2, shift=1.0))
    spread = distance(points(60, seed=1), 3 * points(60, seed=2))
    assert moved > 5 * same.abs()
    assert spread > 5 * same.abs()


@each_distance
def test_descending_it_moves_samples_onto_the_reference(distance: Distance) -> None:
    samples, reference = points(16, seed=1).requires_grad_(), points(16, seed=2, shift=1.0)
    before = (samples.detach().mean(0) - reference.mean(0)).norm()
    optimiser = torch.optim.Adam([samples], 0.1)
    for _ in range(80):
        optimiser.zero_grad()
        distance(samples, reference).backward()
        optimiser.step()
    assert (samples.detach().mean(0) - reference.mean(0)).norm() < 0.5 * before


@each_distance
def test_equal_points_have_finite_first_and_second_derivatives(distance: Distance) -> None:
    """A dead generator makes one picture; the meta-gradient must live through it."""
    samples = torch.zeros(3, 2, requires_grad=True)
    (first,) = torch.autograd.grad(distance(samples, torch.zeros(3, 2)), samples, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), samples)
    assert first.isfinite().all()
    assert second.isfinite().all()


def test_multi_scale_pixels_are_block_averages_as_root_mean_squares() -> None:
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    full, half, quarter = multi_scale_pixels(images)
    blocks = images.unfold(2, 4, 4).unfold(3, 4, 4).mean((4, 5))
    assert half.shape == (2, 3 * 4 * 4)
    torch.testing.assert_close(quarter, blocks.flatten(1) / blocks[0].numel() ** 0.5)
    torch.testing.assert_close((full[0] - full[1]).norm(), (images[0] - images[1]).square().mean().sqrt())


def test_energy_statistic_by_hand() -> None:
    """Two points against one: 2 (1 + 3) / 2 - (0 + 4 + 4 + 0) / 4, and 2 |x - y| for single points."""
    samples, reference = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0]])
    assert energy_statistic(samples, reference).item() == pytest.approx(4 - 2, abs=1e-3)
    assert energy_statistic(samples[:1], reference).item() == pytest.approx(2, abs=1e-3)
