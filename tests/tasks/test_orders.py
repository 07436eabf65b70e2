"""Phases and orders: borders, shares, and that what is held back stays so."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.parameters.continual import Stream
from metagan.tasks.bank import TaskBank
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase, phases_of
from metagan.tasks.sources.base import ClassRecord
from metagan.tasks.streams import Ordered, wrapped

GROUPS = {"large": 12, "middle": 8, "small": 6, "tiny": 3}
N_IMAGES, TASKS = 10, 90


def bank_of(groups: dict[str, int]) -> TaskBank:
    records = [ClassRecord(f"{group} {i}", group, "train", N_IMAGES) for group, n in groups.items() for i in range(n)]
    records += [ClassRecord(f"val {i}", "val", "val", N_IMAGES) for i in range(2)]
    records += [ClassRecord("test", "test", "test", N_IMAGES)]
    images = np.random.default_rng(0).integers(0, 256, (len(records) * N_IMAGES, 1, 16, 16), np.uint8)
    offsets = np.arange(len(records) + 1) * N_IMAGES
    return TaskBank(images, offsets, tuple(records), "memory", stored_example("image", (1, 16, 16)), "hash")


BANK = bank_of(GROUPS)


def stream_of(order: str, phases: tuple[Phase, ...], seed: int = 0) -> Ordered:
    return Ordered(BANK, seed, order, phases, TASKS)


@pytest.fixture(scope="module")
def phases() -> tuple[Phase, ...]:
    return phases_of(BANK, Stream(), 0)


def test_phases_are_the_largest_groups_and_hold_a_share_back(phases: tuple[Phase, ...]) -> None:
    assert {phase.name: len(phase.held_back) for phase in phases} == {"large": 3, "middle": 2, "small": 2}
    for phase in phases:
        own = [i for i in BANK.splits["train"] if BANK.classes[i].group == phase.name]
        assert sorted([*phase.trained, *phase.held_back]) == own


def test_the_seed_decides_order_and_what_is_held_back() -> None:
    drawn = [phases_of(BANK, Stream(), seed) for seed in range(12)]
    assert len({tuple(phase.name for phase in phases) for phases in drawn}) > 3
    assert len({tuple(phase.held_back) for phases in drawn for phase in phases if phase.name == "large"}) > 3
    again = phases_of(BANK, Stream(), 0)
    assert all(np.array_equal(a.held_back, b.held_back) for a, b in zip(drawn[0], again, strict=True))


def test_parts_at_random_are_equal_and_disjoint() -> None:
    parts = phases_of(BANK, Stream(by="class", phases=4), 0)
    every = np.concatenate([np.concatenate([part.trained, part.held_back]) for part in parts])
    assert sorted(every) == sorted(BANK.splits["train"])
    sizes = [len(part.trained) + len(part.held_back) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("by", "count", "message"),
    [
        ("group", 5, "continual.stream.phases: 5, but the train classes of memory are of 4 group"),
        ("class", 12, "has too few classes, 2, of which 2 are held back"),
    ],
)
def test_too_few_groups_or_classes_are_refused(by: str, count: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        phases_of(BANK, Stream(by=by, phases=count), 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(3))
def test_no_stream_draws_what_is_held_back(order: str, seed: int, phases: tuple[Phase, ...]) -> None:
    held_back = {int(index) for phase in phases for index in phase.held_back}
    stream = wrapped(stream_of(order, phases, seed), ["turned"])
    drawn = {stream.generation_task("train", index, 2, 2).class_index for index in range(2 * TASKS)}
    drawn |= {own for index in range(TASKS) for own in stream.episode("train", index, 3, 1, 1).class_indices}
    assert drawn and not drawn & held_back
    assert drawn == {int(index) for phase in phases for index in phase.trained}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("split", ["val", "test"])
def test_val_and_test_classes_have_no_order(order: str, split: str, phases: tuple[Phase, ...]) -> None:
    stream = stream_of(order, phases)
    with pytest.raises(UserError, match=f"{order} orders train classes, and never those of {split}"):
        stream.generation_task(split, 0, 2, 2)
    with pytest.raises(UserError, match=f"never those of {split}"):
        stream.episode(split, 0, 1, 2, 2)


def test_borders_of_phases(phases: tuple[Phase, ...]) -> None:
    found = [stream_of("phases", phases).phase_of(index) for index in range(TASKS + 1)]
    assert found == [0] * 30 + [1] * 30 + [2] * 31


def test_borders_of_returns(phases: tuple[Phase, ...]) -> None:
    found = [stream_of("returns", phases).phase_of(index) for index in range(TASKS)]
    assert found == 2 * ([0] * 15 + [1] * 15 + [2] * 15)
    assert ORDERS["returns"].segments(3) == 6


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("count", [2, 3, 7])
def test_shares_are_chances_and_every_phase_has_as_many_tasks(order: str, count: int) -> None:
    shares = np.array([ORDERS[order].shares(Fraction(index, 840), count) for index in range(840)])
    assert np.allclose(shares.sum(1), 1) and (shares >= 0).all()
    if order != "drift":  # its first and last phase have half as many
        assert np.allclose(shares.mean(0), 1 / count)


def test_a_drift_moves_evenly() -> None:
    def at(numerator: int) -> list[float]:
        return ORDERS["drift"].shares(Fraction(numerator, 8), 3).tolist()

    assert [at(0), at(1), at(4), at(6)] == [[1, 0, 0], [0.75, 0.25, 0], [0, 1, 0], [0, 0.5, 0.5]]


def test_tasks_in_random_order_are_of_all_phases(phases: tuple[Phase, ...]) -> None:
    found = np.array([stream_of("iid", phases).phase_of(index) for index in range(3000)])
    assert np.allclose(np.bincount(found) / 3000, 1 / 3, atol=0.03)


def test_streams_that_differ_have_different_names(phases: tuple[Phase, ...]) -> None:
    others = phases_of(BANK, Stream(held_back=0.5), 0)
    looks = phases_of(BANK, Stream(looks=["inverted"]), 0)
    streams = [stream_of(order, own) for order in ORDERS for own in (phases, others, looks)]
    assert len({stream.name for stream in streams}) == len(streams)
