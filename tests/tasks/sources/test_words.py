"""Words and names of many languages."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from metagan.domains.spelling import decoded
from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.words import without_shared


@pytest.fixture(scope="module")
def source() -> Source:
    return SOURCES["words"](Tasks(source="words"), 0, Path("nowhere"))


def test_there_are_enough_classes_of_enough_words(source: Source) -> None:
    assert len(source.classes) >= 200
    assert min(record.n_images for record in source.classes) >= 100
    kinds = Counter(record.name.split()[1] for record in source.classes)
    assert kinds.keys() == {"territories", "languages", "currencies", "words"}
    drawn = source.render(7)
    assert drawn.shape == (source.classes[7].n_images, 16) and len({*decoded(drawn)}) == len(drawn)


def test_no_language_and_no_word_is_in_two_splits(source: Source) -> None:
    groups, words = ({"train": set(), "val": set(), "test": set()} for _ in range(2))
    for index, record in enumerate(source.classes):
        groups[record.split].add(record.group)
        words[record.split].update(decoded(source.render(index)))
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not groups[one] & groups[other] and not words[one] & words[other]
    assert all(groups.values())
    number = int(source.note.split("; ")[1].split()[0].replace(",", ""))
    assert number > 10_000


def test_what_two_splits_share_stays_in_the_later_one() -> None:
    found = {("a", "words"): ("one", "two"), ("b", "words"): ("two", "three"), ("c", "words"): ("three", "four")}
    kept, dropped = without_shared(found, dict(zip(found, ("train", "val", "test"), strict=True)))
    assert kept == {("a", "words"): ("one",), ("b", "words"): ("two",), ("c", "words"): ("three", "four")}
    assert dropped == 2


@pytest.mark.parametrize("library", ["babel", "wordfreq"])
def test_a_missing_library_is_told(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=rf"{library}.*pip install metagan\[text\]"):
        SOURCES["words"](Tasks(source="words"), 0, Path("nowhere"))
