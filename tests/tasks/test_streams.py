"""Streams: what turns and jitters, what a wrapper may never touch, and that older results still hold to the bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metagan.domains import DOMAINS, stored_example
from metagan.domains.image import image
from metagan.errors import UserError
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import Episode
from metagan.tasks.sources.base import ClassRecord
from metagan.tasks.streams import WRAPPERS, BankStream, TaskStream, task_stream

N_CLASSES, N_IMAGES = 7, 12
SPLITS = ("train",) * N_CLASSES + ("val", "val", "test", "test")
seeds, indices = st.integers(0, 2**31 - 1), st.integers(0, 10**9)


def random_bank() -> TaskBank:
    images = np.random.default_rng(0).integers(0, 256, (len(SPLITS) * N_IMAGES, 1, 16, 16), np.uint8)
    classes = tuple(ClassRecord(f"class {i}", "group", split, N_IMAGES) for i, split in enumerate(SPLITS))
    offsets = np.arange(len(SPLITS) + 1) * N_IMAGES
    return TaskBank(images, offsets, classes, "memory", stored_example("image", (1, 16, 16)), "hash")


BANK = random_bank()


@dataclass(frozen=True)
class Still:
    """A stream with the same episode whatever is asked."""

    drawn: Episode
    bank: TaskBank = BANK
    seed: int = 0

    def episode(self, split: str, index: int, *shape: int) -> Episode:
        return self.drawn


def digest(*parts: torch.Tensor) -> str:
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()[:16]


@given(seed=seeds, index=indices)
def test_parts_take_turns(seed: int, index: int) -> None:
    parts = [np.array([0, 1, 2]), np.array([3, 4]), np.array([5, 6])]
    stream = task_stream(BANK, seed, ["jittered"], *parts)
    part = set(parts[index % 3].tolist())
    assert set(stream.episode("train", index, 2, 1, 1).class_indices) <= part
    turn = len(part)
    seen = [stream.generation_task("train", index % 3 + 3 * step, 1, 1).class_index for step in range(turn)]
    assert set(seen) == part
    assert stream.name != task_stream(BANK, seed, ["jittered"]).name


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, "06e90968d73430e4 44f75ac4bb5a1c8c d987e2ddf86ec618 5e017b42774e6bb5 23744659a40c66a6 75988be896825185"),
        (5, "1525682199dafec9 9d64077f01de74df 821a095b14cdc2dc 92d7186fb7443f60 1b0279b50a701087 f484e99fd57b3bf2"),
    ],
)
def test_older_tasks_come_again_to_the_bit(index: int, expected: str) -> None:
    """Digests of what the functions before the streams drew."""

    def task(*wrappers: str) -> str:
        drawn = task_stream(BANK, 3, wrappers).generation_task("train", index, 2, 3)
        return digest(drawn.support, drawn.query)

    def episode(*wrappers: str) -> str:
        drawn = task_stream(BANK, 3, wrappers).episode("train", index, 4, 2, 3)
        return digest(drawn.support, drawn.query)

    found = (task(), task("turned"), episode(), episode("turned"), episode("jittered"), episode("turned", "jittered"))
    assert found == tuple(expected.split())


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("split", ["val", "test"])
def test_no_wrapper_touches_what_is_measured_on(wrapper: str, split: str) -> None:
    inside = task_stream(BANK, 0, [wrapper])
    # Nor through a wrapper around it.
    for stream in (inside, task_stream(BANK, 0, [wrapper, "turned"])):
        for draw in (lambda: stream.episode(split, 0, 2, 1, 1), lambda: stream.generation_task(split, 0, 1, 1)):  # noqa: B023
            with pytest.raises(UserError, match=rf"^stream: \w+ changes train classes, and never those of {split}$"):
                draw()


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_every_wrapper_changes_some_tasks_and_the_same_ones_again(wrapper: str) -> None:
    """Shapes, classes and the range of examples stay."""
    plain, stream = task_stream(BANK, 5), task_stream(BANK, 5, [wrapper])
    changed = {"episode": 0, "generation_task": 0}
    for draw, shape in (("episode", (3, 2, 4)), ("generation_task", (2, 4))):
        for index in range(8):
            before, drawn, again = (getattr(it, draw)("train", index, *shape) for it in (plain, stream, stream))
            assert drawn[2] == before[2]
            for part in (0, 1):
                assert drawn[part].shape == before[part].shape and drawn[part].dtype == before[part].dtype
                assert drawn[part].min() >= 0 and drawn[part].max() <= 1
                assert torch.equal(drawn[part], again[part])
            changed[draw] += not torch.equal(drawn.query, before.query)
    assert min(changed.values()) >= 2


def test_each_way_of_wrapping_has_a_name_of_its_own() -> None:
    """By which a training is not resumed as another."""
    ways = [way for count in range(3) for way in permutations(WRAPPERS, count)]
    names = [task_stream(BANK, 0, way).name for way in ways]
    assert len(set(names)) == len(ways) >= 5
    assert names[0] == BANK.content_hash
    assert task_stream(replace(BANK, content_hash="other"), 0, ["turned"]).name not in names


def test_wrappers_have_random_numbers_of_their_own() -> None:
    keys = {wrapper.key for wrapper in WRAPPERS.values()}
    assert len(keys) == len(WRAPPERS) and not keys & {0, 1, 2, 5}  # those of `tasks.sampling`


@pytest.mark.parametrize(("wrapper", "change"), [("turned", {"turns": 1}), ("jittered", {"largest_changes": ()})])
def test_what_means_nothing_in_a_domain_is_refused(
    wrapper: str, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DOMAINS, "image", replace(image, **change))
    with pytest.raises(UserError, match=f"^stream: {wrapper} has no meaning for the domain image: leave it out$"):
        task_stream(BANK, 0, [wrapper])


def test_a_stream_of_some_classes_has_no_others() -> None:
    some = np.array([1, 4, 6])
    stream = task_stream(BANK, 0, ["turned"], some)
    assert {stream.generation_task("train", index, 1, 1).class_index for index in range(9)} == {1, 4, 6}


def test_turning_gives_each_class_one_of_four_quarter_turns() -> None:
    plain, turned = BankStream(BANK, 0), task_stream(BANK, 0, ["turned"])
    seen = set()
    for index in range(10):
        drawn, result = (stream.episode("train", index, N_CLASSES, 2, 2) for stream in (plain, turned))
        assert result.class_indices == drawn.class_indices
        for row in range(N_CLASSES):
            turns = [
                turn for turn in range(4) if torch.equal(result.support[row], drawn.support[row].rot90(turn, (2, 3)))
            ]
            assert len(turns) == 1 and torch.equal(result.query[row], drawn.query[row].rot90(turns[0], (2, 3)))
            seen.add(turns[0])
    assert seen == {0, 1, 2, 3}
    assert torch.equal(turned.episode("train", 3, 2, 2, 2).support, turned.episode("train", 3, 2, 2, 2).support)


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


def jittered(drawn: Episode, seed: int = 0, index: int = 0) -> Episode:
    stream: TaskStream = Still(drawn, seed=seed)  # type: ignore[assignment]
    return WRAPPERS["jittered"](stream).episode("train", index, 5, 2, 3)


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
    alone = replace(image, largest_changes=tuple(size * (i == place) for i, size in enumerate(image.largest_changes)))
    monkeypatch.setitem(DOMAINS, "image", alone)
    x, y = centres(jittered(spots(4, -3))).double().unbind(1)
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
    assert torch.allclose(jittered(paper).query, paper.query)
    monkeypatch.setitem(DOMAINS, "image", replace(image, largest_changes=(0.0,) * 6))
    assert torch.allclose(jittered(spots(3, 2)).support, spots(3, 2).support, atol=1e-5)
