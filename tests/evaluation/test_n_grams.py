"""Counts of n-grams, their divergence, and the models beside the generator."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from metagan.evaluation.n_grams import Mixture, covered, fitted, jensen_shannon, n_grams, surprise, written

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1)
WORDS = ("abba", "baba", "ab", "bb")


def test_n_grams_are_counted_with_marks() -> None:
    assert n_grams(["ab", "a"], 2) == Counter({"^a": 2, "ab": 1, "b$": 1, "a$": 1})
    assert n_grams(["ab", ""], 3) == Counter({"^ab": 1, "ab$": 1})


@given(COUNTS, COUNTS)
def test_the_divergence_is_that_of_scipy(first: dict[str, int], second: dict[str, int]) -> None:
    shares = [np.array([counts.get(name, 0) for name in "abcdef"], float) for counts in (first, second)]
    expected = jensenshannon(*shares, base=2) ** 2
    assert jensen_shannon(first, second) == pytest.approx(np.nan_to_num(expected), abs=1e-7)


def test_the_divergence_has_the_ends_that_it_should() -> None:
    assert jensen_shannon({"a": 1, "b": 1}, {"a": 5, "b": 5}) == 0
    assert jensen_shannon({"a": 1}, {"b": 3}) == 1
    with pytest.raises(ValueError, match="empty"):
        jensen_shannon({"a": 1}, {})


def test_covered_counts_each_as_often_as_it_comes() -> None:
    assert covered({"a": 3, "b": 1}, {"a": 1}) == 0.75
    assert covered({}, {"a": 1}) == 0


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_chances_sum_to_one_after_anything(order: int) -> None:
    model = fitted(WORDS, order, "abc")
    for before in ("", "a", "abba", "ccc"):
        chances = model.chances(before)
        assert chances.shape == (4,) and chances.sum() == pytest.approx(1) and (chances > 0).all()


def test_smoothing_is_that_of_witten_and_bell() -> None:
    """By hand: a word begins with a twice and with b twice; of all 16 characters 4 are a, 8 are b and 4 are ends."""
    alone = (np.array([5, 7, 4]) + 3 / 3) / (16 + 3)
    assert fitted(WORDS, 2, "ab").chances("") == pytest.approx((np.array([2, 2, 0]) + 2 * alone) / (4 + 2))


def test_words_come_as_often_as_the_model_says() -> None:
    model = fitted(WORDS, 3, "ab")
    drawn = Counter(written(model, 20_000, 8, 1.0, np.random.default_rng(0)))
    for word in ("ab", "abba", "", "b"):
        chance = np.exp(-surprise(model, [word]))
        assert drawn[word] / 20_000 == pytest.approx(chance, abs=4 * np.sqrt(chance / 20_000) + 1e-4)


def test_a_low_temperature_writes_the_likeliest() -> None:
    model = fitted(["abc"] * 5 + ["ba"], 3, "abc")
    assert set(written(model, 20, 8, 0.02, np.random.default_rng(0))) == {"abc"}
    assert len(set(written(model, 50, 8, 2.0, np.random.default_rng(0)))) > 10


def test_a_mixture_is_between_its_parts() -> None:
    first, second = fitted(["aa"], 2, "ab"), fitted(["bb"], 2, "ab")
    assert Mixture(first, second, 0.25).chances("a") == pytest.approx(
        0.25 * first.chances("a") + 0.75 * second.chances("a")
    )
    assert surprise(Mixture(first, second, 1.0), ["ab"]) == pytest.approx(surprise(first, ["ab"]))


def test_words_are_cut_at_the_longest() -> None:
    model = fitted(["a" * 30], 2, "a")
    assert max(map(len, written(model, 100, 5, 1.0, np.random.default_rng(0)))) == 5
