from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.tasks import splits

SIZES = {"Latin": 300, "Greek": 50, "Hebrew": 25, "Lao": 35, "Coptic": 10, "Lisu": 6}


@given(st.integers(0, 2**31 - 1))
def test_groups_stay_whole_and_every_split_reaches_its_minimum(seed: int) -> None:
    split_of = splits.by_group(SIZES, {"train": 250, "test": 40, "val": 20}, seed)
    held = Counter()
    for group, split in split_of.items():
        held[split] += SIZES[group]
    assert split_of.keys() == SIZES.keys()
    assert split_of["Latin"] == "train"
    assert held["train"] >= 250 and held["test"] >= 40 and held["val"] >= 20


def test_the_seed_decides_which_groups_are_held_out() -> None:
    minimum = {"train": 250, "test": 40, "val": 20}
    deals = [tuple(splits.by_group(SIZES, minimum, seed).items()) for seed in range(20)]
    assert deals[3] == tuple(splits.by_group(SIZES, minimum, 3).items())
    assert len(set(deals)) > 5


def test_group_split_names_the_split_that_stays_too_small() -> None:
    with pytest.raises(ValueError, match="the val split needs 1000 classes"):
        splits.by_group(SIZES, {"train": 250, "val": 1000}, 0)
    with pytest.raises(ValueError, match="the train split needs 1000 classes, but only 426 are left"):
        splits.by_group(SIZES, {"train": 1000}, 0)


@given(st.integers(3, 60), st.data())
def test_random_split_has_the_counts_that_were_asked_for(n_classes: int, data: st.DataObject) -> None:
    train = data.draw(st.integers(1, n_classes - 2))
    val = data.draw(st.integers(1, n_classes - train - 1))
    seed = data.draw(st.integers(0, 2**31 - 1))
    split_of = splits.at_random(n_classes, train, val, seed)
    assert Counter(split_of) == {"train": train, "val": val, "test": n_classes - train - val}
    assert split_of == splits.at_random(n_classes, train, val, seed)


@pytest.mark.parametrize(("train", "val", "empty"), [(0, 2, "train"), (5, 0, "val"), (8, 2, "test")])
def test_random_split_refuses_an_empty_split(train: int, val: int, empty: str) -> None:
    with pytest.raises(ValueError, match=f"the {empty} split needs at least 1 class"):
        splits.at_random(10, train, val, 0)


def test_split_by_name_holds_out_the_same_names_of_every_group() -> None:
    names = [f"{group}/{letter}" for group in ("Greek", "Latin", "Thai") for letter in "abcdef"]
    split_of = splits.by_name(names, ("a", "b"), 4, 0)
    assert [name for name in names if split_of[name] == "test"] == [
        "Greek/a", "Greek/b", "Latin/a", "Latin/b", "Thai/a", "Thai/b",
    ]  # fmt: skip
    assert Counter(split_of.values()) == {"test": 6, "val": 4, "train": 8}
    deals = [tuple(splits.by_name(names, ("a", "b"), 4, seed).items()) for seed in range(10)]
    assert len(set(deals)) > 5 and deals[3] == tuple(splits.by_name(names, ("a", "b"), 4, 3).items())


@pytest.mark.parametrize(("test", "val"), [(("z",), 1), (("a",), 0), (("a",), 3), (("a", "b"), 1)])
def test_split_by_name_refuses_an_empty_split(test: tuple[str, ...], val: int) -> None:
    with pytest.raises(ValueError, match="left for train and val"):
        splits.by_name(["Greek/a", "Greek/b", "Latin/a", "Latin/b"], test, val, 0)


def test_vinyals_split_has_the_published_counts() -> None:
    assert Counter(splits.vinyals().values()) == {"train": 1028, "val": 172, "test": 423}
