"""Lists of words beside real ones."""

from __future__ import annotations

import numpy as np
import pytest

from metagan.evaluation.word_lists import WordTask, above, measured, recogniser


def words_in(letters: str, n: int, seed: int) -> tuple[str, ...]:
    random = np.random.default_rng(seed)
    return tuple("".join(random.choice(list(letters), 6)) for _ in range(n))


@pytest.fixture
def tasks() -> list[WordTask]:
    alphabets = ("abc", "bcd", "xyz")
    return [
        WordTask(letters, *(words_in(letters, n, 10 * i + j) for j, n in enumerate((16, 40, 60))))
        for i, letters in enumerate(alphabets)
    ]


def test_real_words_are_best_and_copies_are_not_new(tasks: list[WordTask]) -> None:
    real = measured([task.real for task in tasks], tasks, set())
    copies = measured([task.support * 3 for task in tasks], tasks, set())
    foreign = measured([tasks[(i + 1) % 3].real for i in range(3)], tasks, set())
    assert real["js_3"] < copies["js_3"] < foreign["js_3"]
    assert real["recognisability"] > 0.8 > foreign["recognisability"]
    assert real["diversity"] > copies["diversity"] > foreign["diversity"]
    assert (copies["novelty"], copies["uniqueness"]) == (0, pytest.approx(1 / 3, abs=0.01))
    assert real["novelty"] > 0.9


def test_known_words_are_not_new(tasks: list[WordTask]) -> None:
    lists = [task.real for task in tasks]
    known = {word for task in tasks[:1] for word in task.real}
    assert measured(lists, tasks, known)["novelty"] == pytest.approx(
        measured(lists, tasks, set())["novelty"] - 1 / 3, abs=0.05
    )


def test_a_recogniser_tells_alphabets_apart(tasks: list[WordTask]) -> None:
    shares = recogniser(tasks).share([["aaab", "abab"], ["dddd"], ["dddd"]])
    assert shares == [1, 1, 0]


def test_a_point_is_held_against_the_curve_at_its_diversity() -> None:
    curve = [{"diversity": 0.4, "quality": 0.2}, {"diversity": 0.2, "quality": 0.6}]
    assert above({"diversity": 0.3, "quality": 0.5}, curve) == pytest.approx(0.1)
    assert above({"diversity": 0.5, "quality": 0.5}, curve) is None
