from __future__ import annotations

import pytest

from metagan.reporting.augmentation import sentence

USE = {
    "left_jitter": 0.74,
    "left_samples_jitter": 0.8125,
    "gain": {"mean": 0.0725, "low": 0.01, "high": 0.12},
    "held_back": [3, 5],
    "rounds": 3,
}


@pytest.mark.parametrize(
    ("verdict", "beginning"),
    [
        ("helped", "The samples helped: "),
        ("harmed", "The samples did harm: "),
        ("within chance", "The samples made no difference that is more than chance: "),
    ],
)
def test_the_verdict_is_said_in_plain_words(verdict: str, beginning: str) -> None:
    told = sentence({**USE, "verdict": verdict})
    assert told.startswith(beginning)
    assert told.endswith("+7.2%, between +1.0% and +12.0% (8 pictures, 3 times each).")
    assert "81.2%" in told and "74.0%" in told


def test_what_was_not_measured_is_said() -> None:
    assert "was not measured: that takes two classes or more" in sentence(None)
