from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from metagan.evaluation.kernel_distance import kernel_distance


def draw(seed: int, n: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 6))


def unbiased_mmd(samples: np.ndarray, real: np.ndarray) -> float:
    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    n = len(samples)
    within = sum(kernel(x[i], x[j]) for x in (samples, real) for i in range(n) for j in range(n) if i != j)
    between = sum(kernel(x, y) for x in samples for y in real)
    return within / (n * (n - 1)) - 2 * between / n**2


def test_agrees_with_the_direct_formula() -> None:
    samples, real = draw(0) + 0.5, draw(1)
    assert kernel_distance(samples, real, seed=0) == pytest.approx(unbiased_mmd(samples, real), rel=1e-9)


def test_agreeing_distributions_average_to_zero() -> None:
    values = [kernel_distance(draw(2 * seed), draw(2 * seed + 1), seed=0, subsets=1) for seed in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_the_seed_draws_the_subsets_and_leaves_the_global_state_alone() -> None:
    samples, real = draw(0) + 0.5, draw(1)
    state = torch.get_rng_state()
    first, again, other = (kernel_distance(samples, real, seed, subsets=3, subset_size=10) for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_no_warning_reaches_the_reader() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel_distance(draw(0), draw(1), seed=0)


def test_a_single_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 samples, not 1"):
        kernel_distance(draw(0, n=1), draw(1, n=1), seed=0)
