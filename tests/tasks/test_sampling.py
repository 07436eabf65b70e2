from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import Episode, drawn_shots, episode, generation_task, jittered, turned
from metagan.tasks.sources.base import ClassRecord

N_CLASSES, N_IMAGES = 7, 12


def memory_bank() -> TaskBank:
    """The first pixel of an image tells its class, the second its number."""
    images = np.zeros((N_CLASSES * N_IMAGES, 1, 16, 16), dtype=np.uint8)
    images[:, 0, 0, 0] = np.repeat(np.arange(N_CLASSES), N_IMAGES)
    images[:, 0, 0, 1] = np.tile(np.arange(N_IMAGES), N_CLASSES)
    images[:, 0, 0, 2] = 255
    classes = tuple(ClassRecord(f"class {i}", "group", "train", N_IMAGES) for i in range(N_CLASSES))
    return TaskBank(images, np.arange(N_CLASSES + 1) * N_IMAGES, classes, "memory", 16, 1, "hash")


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


def test_turning_gives_each_class_one_of_four_quarter_turns() -> None:
    drawn = episode(BANK, "train", 0, 0, N_CLASSES, 2, 2)
    seen = set()
    for index in range(10):
        result = turned(drawn, 0, index)
        assert result.class_indices == drawn.class_indices
        for row in range(N_CLASSES):
            turns = [
                turn for turn in range(4) if torch.equal(result.support[row], drawn.support[row].rot90(turn, (2, 3)))
            ]
            assert len(turns) == 1 and torch.equal(result.query[row], drawn.query[row].rot90(turns[0], (2, 3)))
            seen.add(turns[0])
    assert seen == {0, 1, 2, 3}
    assert isinstance(result, Episode) and torch.equal(turned(drawn, 0, 3).support, turned(drawn, 0, 3).support)


def spots(x: float, y: float) -> Episode:
    """Five classes of the same picture: a soft spot so many pixels right of and below the centre."""
    places = torch.arange(28) - 13.5
    spot = torch.exp(-((places[None, :] - x) ** 2 + (places[:, None] - y) ** 2) / 4)
    return Episode(spot.expand(5, 2, 1, 28, 28), spot.expand(5, 3, 1, 28, 28), tuple(range(5)))


def centres(drawn: Episode) -> torch.Tensor:
    """(n, 2) centre of gravity of each image, in pixels right of and below the centre."""
    images, places = torch.cat([drawn.support, drawn.query], 1).flatten(0, 2), torch.arange(28) - 13.5
    weights = images.sum((1, 2))
    return torch.stack([(images.sum(1) @ places) / weights, (images.sum(2) @ places) / weights], 1)


@given(seeds, indices)
def test_jitter_moves_every_image_by_itself_and_a_little(seed: int, index: int) -> None:
    drawn = spots(0, 0)
    result = jittered(drawn, seed, index)
    assert result.class_indices == drawn.class_indices
    assert result.support.shape == drawn.support.shape and result.query.shape == drawn.query.shape
    assert result.support.min() >= 0 and result.support.max() <= 1
    assert len(centres(result).unique(dim=0)) == 25
    # A shift of two pixels each way in the source, seen through the stretch and the shear.
    assert 0.01 < centres(result).norm(dim=1).max() < 2 * 2**0.5 * 1.3
    again, other = jittered(drawn, seed, index), jittered(drawn, seed, index + 1)
    assert torch.equal(again.query, result.query) and not torch.equal(other.query, result.query)


@pytest.mark.parametrize(("place", "largest"), [(0, 0.2), (1, 0.12), (2, 0.12), (3, 0.12), (4, 1 / 7), (5, 1 / 7)])
def test_each_part_of_the_jitter_does_what_it_says(place: int, largest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metagan.tasks.sampling.LARGEST_JITTER", tuple(largest * (i == place) for i in range(6)))
    x, y = centres(jittered(spots(4, -3), 0, 0)).double().unbind(1)
    moved = [
        torch.atan2(y, x) - np.arctan2(-3, 4),  # turned about the centre
        (x / 4).log(),
        (y / -3).log(),
        (x - 4) / 3,  # sheared by its height
        (x - 4) / 14,
        (y + 3) / 14,
    ]
    kept = [x.hypot(y) - 5, y + 3, x - 4, y + 3, y + 3, x - 4]
    assert largest * 0.8 < moved[place].abs().max() < largest * 1.05
    assert moved[place].min() < 0 < moved[place].max()
    assert kept[place].abs().max() < 0.05


def test_no_jitter_and_an_empty_image_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = Episode(torch.full((2, 1, 3, 16, 16), 0.7), torch.full((2, 2, 3, 16, 16), 0.7), (0, 1))
    assert torch.allclose(jittered(paper, 0, 0).query, paper.query)
    monkeypatch.setattr("metagan.tasks.sampling.LARGEST_JITTER", (0.0,) * 6)
    assert torch.allclose(jittered(spots(3, 2), 0, 0).support, spots(3, 2).support, atol=1e-5)


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
