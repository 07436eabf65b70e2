from __future__ import annotations

import builtins
import hashlib
import re
from collections import Counter
from pathlib import Path

import espeakng_loader
import numpy as np
import pytest
import warm

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.espeak import RATE, Utterance, languages, pronounced, spoken
from metagan.tasks.sources.spoken_words import VOICES

WORD = Utterance("7", "en", "f2", 50, 170)
WHISPERED = Utterance("9", "de", "whisper", 40, 160)


def open_source(seed: int = 0, words: int = 10, samples: int = 24, image_size: int = 32) -> Source:
    settings = {"words_per_language": words, "samples_per_class": samples}
    return SOURCES["spoken_words"](
        Tasks(source="spoken_words", image_size=image_size, spoken_words=settings), seed, Path("unused")
    )


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source()


def digest(images: np.ndarray) -> str:
    return hashlib.sha256(images.tobytes()).hexdigest()


def test_there_are_many_classes_of_many_samples(source: Source) -> None:
    assert len(source.classes) >= 400 and {record.n_images for record in source.classes} == {24}
    counts = Counter(record.split for record in source.classes)
    assert counts["train"] > 400 and counts["val"] >= 100 and counts["test"] >= 200
    examples = source.render(0)
    assert examples.shape == (24, 1, 32, 32) and examples.dtype == np.uint8
    assert len({example.tobytes() for example in examples}) == 24
    assert all(example.max() == 255 and (example == 0).mean() > 0.05 for example in examples)


def test_splits_share_no_family_no_language_and_no_word(source: Source) -> None:
    """Words by the letters of the phonetic alphabet, without stress and length."""
    found: dict[str, tuple[set[str], set[str], set[str]]] = {}
    heard = []
    for record in source.classes:
        families, codes, words = found.setdefault(record.split, (set(), set(), set()))
        code, number = record.name.split("/")
        said = re.sub(r"[\W_ˈˌː]", "", pronounced([number], code)[0])
        heard.append(said)
        families.add(record.group)
        codes.add(code)
        words.add(said)
    assert len(heard) == len(set(heard))
    for kind in zip(*found.values(), strict=True):
        assert len(set().union(*kind)) == sum(map(len, kind))


def test_another_seed_holds_other_families_back_and_draws_other_samples(source: Source) -> None:
    other = open_source(seed=1)
    assert [record.name for record in other.classes] == [record.name for record in source.classes]
    test = [{record.group for record in it.classes if record.split == "test"} for it in (source, other)]
    assert test[0] != test[1]
    assert not np.array_equal(source.render(5), other.render(5))


def test_a_class_is_the_same_in_any_order_and_process(source: Source) -> None:
    first = digest(source.render(500))
    source.render(3)
    assert digest(source.render(500)) == first
    code = (
        "import sys; sys.path.insert(0, 'tests/tasks/sources'); import test_spoken_words as own;"
        "print(own.digest(own.open_source().render(500)))"
    )
    assert warm.python(code, Path(__file__).parents[3]).strip() == first


def test_a_language_has_at_most_so_many_words() -> None:
    assert max(Counter(record.name.split("/")[0] for record in open_source(words=2).classes).values()) == 2


def test_the_engine_forgets_what_it_said() -> None:
    (alone,) = spoken([WORD])
    spoken([WHISPERED, WORD])
    (again,) = spoken([WORD])
    assert np.array_equal(alone, again) and 0.2 * RATE < len(alone) < 2 * RATE and np.abs(alone).max() > 0.1


def test_a_whisper_is_made_of_the_same_noise_each_time() -> None:
    assert np.array_equal(spoken([WHISPERED])[0], spoken([WHISPERED])[0])


def test_pitch_and_speed_are_heard() -> None:
    slow, fast = spoken([WORD, WORD._replace(speed=300)])
    assert len(fast) < 0.8 * len(slow)
    assert not np.array_equal(slow, spoken([WORD._replace(pitch=80)])[0])


def test_languages_are_natural_and_no_dialects() -> None:
    found = dict(languages())
    assert found["en"] == found["de"] == "gmw" and found["eu"] == "eu"
    assert not {"eo", "en-US", "kl", "fo"} & set(found) and len(found) > 80
    assert pronounced(["2"], "de") == ["tsv\u02c8a\u026a"]


def test_the_engine_has_all_voices() -> None:
    """It would take others for its plain one."""
    assert set(VOICES) <= {path.name for path in Path(espeakng_loader.get_data_path(), "voices/!v").iterdir()}
    assert len(set(VOICES)) == len(VOICES) >= 30


def test_a_language_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"no voice xx\+f2"):
        spoken([WORD._replace(language="xx")])


def test_without_the_engine_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "espeakng_loader":
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"pip install 'metagan\[speech\]'"):
        open_source()
