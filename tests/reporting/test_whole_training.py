"""The page of whole trainings."""

from __future__ import annotations

from typing import Any

import pytest

from metagan.reporting.tables import ABSENT
from metagan.reporting.whole_training import summary_of, whole_training_page
from metagan.reporting.whole_training_table import whole_training_table


def row(policy: str, seed: int, frechet: list[float], share: float | None, setting: str = "good") -> dict[str, Any]:
    return {
        "setting": setting,
        "policy": policy,
        "seed": seed,
        "frechet": frechet,
        "final": frechet[-1],
        "level": 1.0,
        "over_level": frechet[-1],
        "share_of_steps": share,
        "rescued": frechet[-1] <= 1.2,
        "rates": [[0.01, 0.003], [0.02, 0.001]],
        "turns": [1, 3],
        "diverged": False,
        "seconds": 5.0,
    }


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "steps": [0, 25, 50],
        "interval": 25,
        "tuned": {"schedule": "cosine", "rates": [0.01, 0.003], "final": 1.0, "tried": [{}] * 7},
        "history": [{"update": i + 1, "log_distance": 1.0 / (i + 1)} for i in range(4)],
        "training_seconds": 65.0,
        "whole_training": [
            row("fixed", 0, [9.0, 2.0, 1.0], 1.0),
            row("fixed", 1, [9.0, 2.0, 1.5], None),
            row("untrained", 0, [9.0, 1.9, 1.2], None),
            row("controller", 0, [9.0, 1.0, 0.5], 0.5),
            row("controller", 1, [9.0, 1.4, 0.7], 1.0),
            row("fixed", 0, [9.0, 8.0, 7.0], None, "no <R1>"),
            row("untrained", 0, [9.0, 3.0, 2.1], None, "no <R1>"),
            row("controller", 0, [9.0, 1.0, 1.1], 0.5, "no <R1>"),
        ],
    }


def test_the_summary_by_hand(results: dict[str, Any]) -> None:
    fixed, _, controller, *_ = summary_of(results["whole_training"])
    assert (fixed["setting"], fixed["policy"], fixed["seeds"]) == ("good", "fixed", 2)
    assert fixed["final"] == {"mean": 1.25, "half_range": 0.25} and fixed["rescued"] == 1
    assert controller["shares"] == [0.5, 1.0] and controller["turns"] == 2.0
    assert controller["over_level"]["mean"] == pytest.approx(0.6)


def test_the_page_has_every_setting_with_curves_rates_and_turns(results: dict[str, Any]) -> None:
    page = whole_training_page(results)
    assert page.count("<svg") == 2 * 3 + 1
    assert "no &lt;r1&gt;" in page.lower() and "<R1>" not in page
    assert "1.25 ± 0.25" in page and f"1.00, {ABSENT}" in page and "0.50, 1.00" in page
    assert "best of 7" in page and "1 min 05 s" in page


def test_the_table_by_hand(results: dict[str, Any]) -> None:
    table = whole_training_table(results)
    assert table["rows"][0] == ["good", "fixed", "1.25 ± 0.25", "1.25 ± 0.25", f"1.00, {ABSENT}", "1 of 2", 0, "2.00"]
    assert len(table["rows"]) == 6 and all(len(row) == len(table["columns"]) for row in table["rows"])
    assert "best of 7" in table["about"] and "cosine, rates 0.01 and 0.003" in table["about"]
