from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.reporting.generation import values
from metagan.reporting.measures import METRICS, best
from metagan.reporting.tables import card, decimals, duration, flatten, number

BY_NAME = {metric.name: metric for metric in METRICS}


@pytest.mark.parametrize(
    ("metric", "candidates", "winners"),
    [
        ("fid", {"adapted": 1.0, "scratch": 2.0}, {"adapted"}),
        ("recognisability", {"adapted": 0.3, "scratch": 0.2, "fine_tuned": 0.3}, {"adapted", "fine_tuned"}),
        ("diversity", {"adapted": 1.3, "scratch": 0.8}, {"scratch"}),
        ("memorisation", {"adapted": 0.45, "scratch": 0.6}, {"adapted"}),
        ("fjd", {"adapted": math.nan, "scratch": 2.0}, set()),
        ("kid", {"adapted": math.nan, "scratch": 0.1, "fine_tuned": -0.01}, {"fine_tuned"}),
    ],
)
def test_best_follows_the_direction_of_the_metric(metric, candidates, winners):
    assert best(BY_NAME[metric], candidates) == winners


def test_values_accepts_one_value_with_and_without_brackets():
    generation = {
        "steps": [0, 5],
        "arms": {"real": {"fid": 0.5}, "copycat": {"fid": [0.7]}, "adapted": {"fid": [3, None]}},
    }
    assert values(generation, "real", "fid") == [0.5]
    assert values(generation, "copycat", "fid") == [0.7]
    assert values(generation, "adapted", "fid") == pytest.approx([3.0, math.nan], nan_ok=True)
    assert values(generation, "scratch", "fid") == pytest.approx([math.nan, math.nan], nan_ok=True)
    generation["arms"]["adapted"]["fid"] = [1.0]
    with pytest.raises(ValueError, match=r"generation\.arms\.adapted\.fid has 1 values, expected 2"):
        values(generation, "adapted", "fid")


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (None, 2, "\N{EN DASH}"),
        (math.nan, 2, "\N{EN DASH}"),
        (0.126, 2, "0.13"),
        (-0.126, 2, "\N{MINUS SIGN}0.13"),
        (-0.0002, 3, "0.000"),
        (1234.5, 2, "1,234"),
        (-math.inf, 2, "\N{MINUS SIGN}∞"),
    ],
)
def test_number(value, places, text):
    assert number(value, places) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (3.44, "3.4 s"),
        (59.96, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (10650, "2 h 58 min"),
        (math.nan, "\N{EN DASH}"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@given(st.floats(0.001, 1e6))
def test_decimals_show_two_digits_of_the_smallest_number(smallest):
    places = decimals([smallest, 10 * smallest, 0.0, math.nan])
    assert 2 <= places <= 4
    assert places == 4 or abs(round(smallest, places) - smallest) <= 0.05 * smallest


def test_flatten_keeps_every_leaf():
    nested = {"a": {"b": {"c": 1}, "d": [1, 2]}, "e": None, "f": ()}
    assert flatten(nested) == {"a.b.c": 1, "a.d": "1, 2", "e": None, "f": ""}


def test_card_makes_tables_of_tables():
    facts, grids = card(
        {"source": "digits", "splits": {"train": {"classes": 5}, "val": {"classes": 2, "images": 9}}, "empty": {}}
    )
    assert facts == {"source": "digits"}
    (grid,) = grids
    assert grid.title == "splits" and grid.columns == ("classes", "images")
    assert grid.rows == (("train", 5, None), ("val", 2, 9))
