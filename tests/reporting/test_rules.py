"""The page and the table of update rules."""

from __future__ import annotations

from typing import Any

import pytest

from metagan.reporting.rules import name_of, rules_page
from metagan.reporting.rules_table import rules_table
from metagan.reporting.tables import ABSENT


def row(rule: str, trained_by: str, seed: int, fjd: list[float], reached: int | None) -> dict[str, Any]:
    return {
        "setting": "as trained",
        "tuned_in": "" if trained_by else "as trained",
        "start": "random",
        "rule_generator": rule,
        "rule_discriminator": rule,
        "rates": None if trained_by else [0.1, 0.03 * (seed + 1)],
        "trained_by": trained_by,
        "seed": seed,
        "curve": {"fjd": fjd, "recognisability": [0.1, 0.5, 0.8], "two_sample": [1.0, 0.9, 0.8]},
        "change": {"generator": [0.2, 0.1], "discriminator": [0.3, 0.2]},
        "steps_to_level": reached,
        "level": 0.8,
        "auc": fjd[1],
        "diverged": 0.25,
        "collapsed": 0.5,
        "vanished": 0.0,
    }


@pytest.fixture
def results() -> dict[str, Any]:
    rows = [
        row("adam", "", 0, [10.0, 4.0, 0.8], 2),
        row("adam", "", 1, [10.0, 5.0, 0.9], None),
        row("<mlp>", "unroll", 0, [10.0, 0.7, 0.6], 1),
        row("<mlp>", "unroll", 1, [10.0, 0.5, 0.6], 1),
    ]
    return {"steps": [0, 1, 2], "level_step": 2, "settings": rows}


def test_the_table_by_hand(results: dict[str, Any]) -> None:
    table = rules_table(results)
    assert table["columns"] == [
        "start: rule", "FJD 1", "FJD 2", "steps to level", "area", "diverged", "collapsed", "vanished"
    ]  # fmt: skip
    assert table["rows"] == [
        ["random: adam", "4.50 ± 0.50", "0.85 ± 0.05", f"2, {ABSENT}", "4.50 ± 0.50", "0.25", "0.50", "0.00"],
        ["random: <mlp> (unroll)", "0.60 ± 0.10", "0.60 ± 0.00", "1, 1", "0.60 ± 0.10", "0.25", "0.50", "0.00"],
    ]
    assert "2 seeds" in table["about"]


def test_the_page_has_every_rule_and_curve_and_escapes_names(results: dict[str, Any]) -> None:
    page = rules_page(results)
    assert "&lt;mlp&gt; (unroll)" in page and "<mlp>" not in page
    assert page.count("<svg") == 3 + 2 + 2  # three metrics, steps of two players, and a sign for each rule
    assert "0.1 and 0.03, 0.1 and 0.06" in page and f"2, {ABSENT}" in page


def test_what_was_measured_elsewhere_has_a_place_of_its_own(results: dict[str, Any]) -> None:
    there = {"setting": "2 times as wide", "level": 0.7}
    tuned = {**row("adam", "", 0, [9.0, 3.0, 0.7], 2), **there, "tuned_in": "2 times as wide"}
    kept = {**row("adam", "", 0, [9.0, 6.0, 2.0], None), **there}
    everything = {**results, "settings": [*results["settings"], kept, tuned]}
    names = [cells[0] for cells in rules_table(everything)["rows"]]
    assert names[2:] == ["2 times as wide: adam", "2 times as wide: adam (tuned here)"]
    page = rules_page(everything)
    assert page.count("<h2>") == 2 and "From random networks, elsewhere: 2 times as wide" in page
    assert "adam (tuned here)" in page


def test_rules_that_differ_between_players_are_named_apart() -> None:
    told = {**row("adam", "pes", 0, [1.0, 1.0], None), "rule_discriminator": "mlp"}
    assert name_of(told) == "adam, discriminator mlp (pes)"
