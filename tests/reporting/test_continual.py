"""The page of continual training."""

from __future__ import annotations

import re

import pytest

from metagan.reporting.continual import LABELS, continual_page
from metagan.reporting.tables import MINUS


def page_of(segments: int) -> str:
    """The arm in random order has two looks, the others one after each segment."""

    def arm(last: float) -> dict[str, object]:
        said = {"average": last, "forgetting": -0.125, "backward_transfer": 0.125, "regret": 0.0625}
        between = [] if last == 0.5 else [[0.2, 0.2]] * (segments - 2)
        measure = {"matrix": [[0.1234, 0.2], *between, [0.3, last]], **said}
        return {"recognisability": measure, "fjd": measure, "seconds": 61.0, "skipped": 0}

    phases = [{"name": name, "look": "plain", "trained": 6, "held_back": 2} for name in ("Latin", "<Greek>")]
    arms = {name: arm(0.5 + place / 10) for place, name in enumerate(LABELS)}
    about = {
        "order": "phases",
        "segments": segments,
        "meta_steps": 40,
        "step": 1,
        "learner": "gan",
        "measures": ["recognisability", "fjd"],
    }
    return continual_page({**about, "phases": phases, "arms": arms})


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(2)


def test_looks_of_fewer_segments_stand_where_they_were_taken() -> None:
    lines = re.findall(r'<path d="([^"]*)"', page_of(4))
    places = [re.findall(r"[ML]([\d.]+)", line) for line in lines[:2]]
    assert len(places[0]) == 2 and len(places[1]) == 4
    assert places[0] == places[1][1::2]


def test_it_has_every_arm_and_number(page: str) -> None:
    for place, label in enumerate(LABELS.values()):
        row = re.search(rf'<th scope="row">{label}</th>(.*?)</tr>', page)
        assert row and re.findall("<td>(.*?)</td>", row[1]) == [f"0.{5 + place}00", f"{MINUS}0.125", "0.125", "0.062"]
    assert page.count("<figure>") == 4 and "0.123" in page and "1 min 01 s" in page


def test_it_escapes_names_and_says_what_was_held_back(page: str) -> None:
    assert "&lt;Greek&gt;" in page and "<Greek>" not in page
    assert "Latin (plain, 2 of 8)" in page
