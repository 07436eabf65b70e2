"""The page of words and the curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metagan.reporting.words import COLUMNS, curve_picture, page


@pytest.fixture
def table() -> dict[str, Any]:
    def row(value: float) -> dict[str, float]:
        return dict.fromkeys(COLUMNS, value)

    arms = {
        arm: [{"temperature": heat, **row(heat / 2 + number / 10)} for heat in (0.5, 1.0)]
        for number, arm in enumerate(("model", "n_grams", "n_grams_of_all"))
    }
    words = {"support": ["één"], "real": ["twee"], "model": ["dree", ""], "n_grams": ["n"], "n_grams_of_all": ["ee"]}
    return {
        "classes": 3, "k_shot": 16, "samples": 40, "step": 5, "share_of_support": 0.4, "arms": arms,
        "real": row(0.9), "copies": row(0.8), "above": {"n_grams": [0.125, None], "n_grams_of_all": [None, -0.25]},
        "shown": [{"class": "nl words", **words}],
    }  # fmt: skip


def test_the_page_has_every_row_margin_and_word(table: dict[str, Any]) -> None:
    lines = page(table).splitlines()
    assert sum(line.startswith("| ") for line in lines) == 1 + 2 + 3 * 2
    assert "| adapted model | 0.5 |" + " 0.250 |" * len(COLUMNS) in lines
    assert "- n-grams of the support words: 0.5: +0.125, 1: beyond it" in lines
    assert lines[lines.index("## nl words") + 2 :] == [
        "- shown: één",
        "- real, unseen: twee",
        "- adapted model: dree, (nothing)",
        "- n-grams of the support words: n",
        "- n-grams of all train languages and the support words: ee",
    ]


def test_the_curve_is_drawn_in_the_colours_of_the_arms(table: dict[str, Any]) -> None:
    pixels = np.asarray(curve_picture(table).convert("RGB")).reshape(-1, 3)
    for colour in ("0067a5", "c44f00", "00805f", "1a1a1a", "7a7a7a"):
        assert (pixels == list(bytes.fromhex(colour))).all(1).sum() > 20
