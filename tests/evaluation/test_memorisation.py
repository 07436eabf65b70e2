from __future__ import annotations

import numpy as np
import pytest

from metagan.evaluation.memorisation import memorisation


def real_images(n_tasks: int, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_tasks, n, 6))


def test_copies_of_support_images_are_memorised() -> None:
    supports, queries = real_images(20, 5, seed=0), real_images(20, 8, seed=1)
    copies = supports[:, np.arange(8) % 5]
    assert memorisation(copies.astype(np.float32), supports.astype(np.float32), queries, seed=0) == 1.0


def test_copies_of_other_query_images_are_not() -> None:
    supports, queries = real_images(20, 5, seed=0), real_images(20, 6, seed=1)
    assert memorisation(np.roll(queries, 1, axis=1), supports, queries, seed=0) == 0.0


@pytest.mark.parametrize(("k_shot", "n_query"), [(5, 6), (5, 20), (3, 4), (8, 4)])
def test_real_images_never_meet_themselves_and_score_half(k_shot: int, n_query: int) -> None:
    supports, queries = real_images(1000, k_shot, seed=0), real_images(1000, n_query, seed=1)
    assert memorisation(queries, supports, queries, seed=0) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("k_shot", "n_query"), [(5, 6), (2, 20)])
def test_fresh_samples_of_the_class_score_half(k_shot: int, n_query: int) -> None:
    supports, queries = real_images(1000, k_shot, seed=0), real_images(1000, n_query, seed=1)
    assert memorisation(real_images(1000, 7, seed=2), supports, queries, seed=0) == pytest.approx(0.5, abs=0.03)


def test_images_of_other_tasks_do_not_count() -> None:
    supports, queries = np.zeros((2, 1, 1)), np.ones((2, 2, 1))
    supports[1], queries[1] = 5.0, 4.0
    samples = np.array([[[0.6]], [[0.6]]])  # nearer to the query images of its own task, both times
    assert memorisation(samples, supports, queries, seed=0) == 0.0


def test_the_seed_draws_the_query_images() -> None:
    supports, queries = real_images(20, 3, seed=0), real_images(20, 12, seed=1)
    first, again, other = (memorisation(queries, supports, queries, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_single_query_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 query images per task, not 1"):
        memorisation(real_images(2, 1, seed=0), real_images(2, 3, seed=1), real_images(2, 1, seed=2), seed=0)
