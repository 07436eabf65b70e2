from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.domains import stored_example
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import drawn_shots, episode, generation_task
from metagan.tasks.sources.base import ClassRecord

N_CLASSES, N_IMAGES = 7, 12


def memory_bank() -> TaskBank:
    """The first pixel of an image tells its class, the second its number."""
    images = np.zeros((N_CLASSES * N_IMAGES, 1, 16, 16), dtype=np.uint8)
    images[:, 0, 0, 0] = np.repeat(np.arange(N_CLASSES), N_IMAGES)
    images[:, 0, 0, 1] = np.tile(np.arange(N_IMAGES), N_CLASSES)
    images[:, 0, 0, 2] = 255
    classes = tuple(ClassRecord(f"class {i}", "group", "train", N_IMAGES) for i in range(N_CLASSES))
    example = stored_example("image", (1, 16, 16))
    return TaskBank(images, np.arange(N_CLASSES + 1) * N_IMAGES, classes, "memory", example, "hash")


BANK = memory_bank()
seeds = st.integers(0, 2**31 - 1)
indices = st.integers(0, 10**9)


def identities(images: torch.Tensor) -> set[tuple[int, int]]:
    pixels = (images * 255).round().to(torch.int64)
    return {(int(image[0, 0, 0]), int(image[0, 0, 1])) for image in pixels.flatten(0, -4)}


@given(seeds, indices, st.integers(1, 6), st.integers(1, 6))
def test_support_and_query_are_different_images_of_one_class(seed: int, index: int, k_shot: int, n_query: int) -> None:
    task = generation_task(BANK, "train", seed, index, k_shot, n_query)
    support, query = identities(task.support), identities(task.query)
    assert len(support) == k_shot and len(query) == n_query and not support & query
    assert {class_index for class_index, _ in support | query} == {task.class_index}
    assert task.support.shape == (k_shot, 1, 16, 16) and task.support.dtype == torch.float32
    assert task.support[:, 0, 0, 2].eq(1).all() and task.support.min() == 0


@given(seeds, st.integers(0, 1000))
def test_every_class_comes_once_before_any_comes_again(seed: int, epoch: int) -> None:
    first = epoch * N_CLASSES
    classes = [generation_task(BANK, "train", seed, first + i, 1, 1).class_index for i in range(N_CLASSES)]
    assert sorted(classes) == list(range(N_CLASSES))


@given(seeds, indices, st.integers(2, N_CLASSES))
def test_episode_has_different_classes_and_disjoint_images(seed: int, index: int, n_way: int) -> None:
    drawn = episode(BANK, "train", seed, index, n_way, 2, 3)
    assert drawn.support.shape == (n_way, 2, 1, 16, 16) and drawn.query.shape == (n_way, 3, 1, 16, 16)
    assert len(set(drawn.class_indices)) == n_way
    support, query = identities(drawn.support), identities(drawn.query)
    assert len(support) == 2 * n_way and len(query) == 3 * n_way and not support & query
    for row, class_index in enumerate(drawn.class_indices):
        assert {i for i, _ in identities(drawn.support[row]) | identities(drawn.query[row])} == {class_index}


@given(seeds, indices)
def test_a_task_depends_on_nothing_but_its_arguments(seed: int, index: int) -> None:
    task = generation_task(BANK, "train", seed, index, 3, 4)
    np.random.seed(0)
    torch.manual_seed(0)
    generation_task(BANK, "train", seed, index + 1, 2, 2)
    again = generation_task(pickle.loads(pickle.dumps(BANK)), "train", seed, index, 3, 4)
    assert torch.equal(task.support, again.support) and torch.equal(task.query, again.query)
    assert task.class_index == again.class_index


def test_any_worker_draws_the_same_task() -> None:
    alone = [generation_task(BANK, "train", 5, index, 3, 4) for index in range(50)]
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(lambda index: generation_task(BANK, "train", 5, index, 3, 4), reversed(range(50))))
    for one, other in zip(alone, reversed(shared), strict=True):
        assert torch.equal(one.support, other.support) and torch.equal(one.query, other.query)


def test_seed_and_index_change_the_task() -> None:
    drawn = {
        (seed, index): frozenset(identities(generation_task(BANK, "train", seed, index, 5, 5).support))
        for seed in range(10)
        for index in range(10)
    }
    assert len(set(drawn.values())) > 90


def test_each_image_is_support_equally_often() -> None:
    counts = np.zeros(N_IMAGES)
    for index in range(700):
        for _, number in identities(generation_task(BANK, "train", 1, index, 3, 3).support):
            counts[number] += 1
    expected = 700 * 3 / N_IMAGES
    assert ((counts - expected) ** 2 / expected).sum() < 31.3  # chi-squared, 11 degrees of freedom, p = 0.001


def test_class_indices_restrict_the_classes() -> None:
    half = np.array([1, 4, 6])
    assert {generation_task(BANK, "train", 0, i, 1, 1, class_indices=half).class_index for i in range(9)} == {1, 4, 6}
    assert set(episode(BANK, "train", 0, 0, 3, 1, 1, class_indices=half).class_indices) == {1, 4, 6}


def test_errors_name_the_parameter() -> None:
    with pytest.raises(ValueError, match=r"k_shot \+ n_query = 13, but class 'class \d' has 12 images"):
        generation_task(BANK, "train", 0, 0, 8, 5)
    with pytest.raises(ValueError, match=r"8 classes are needed \(n_way\), but split 'train' has 7"):
        episode(BANK, "train", 0, 0, 8, 1, 1)
    with pytest.raises(ValueError, match="split 'val' has 0"):
        generation_task(BANK, "val", 0, 0, 1, 1)
    with pytest.raises(ValueError, match="split is 'valid'; valid: train, val, test"):
        generation_task(BANK, "valid", 0, 0, 1, 1)
    with pytest.raises(ValueError, match="has 0 to draw from"):
        generation_task(replace(BANK), "train", 0, 0, 1, 1, class_indices=[99])


def test_every_number_of_shots_in_the_range_comes_equally_often() -> None:
    counts = np.bincount([drawn_shots(3, index, 2, 5) for index in range(4000)], minlength=7)
    assert counts[[0, 1, 6]].sum() == 0
    assert np.allclose(counts[2:6] / 4000, 0.25, atol=0.03)
    assert [drawn_shots(3, index, 2, 5) for index in range(9)] != [drawn_shots(4, index, 2, 5) for index in range(9)]
