from __future__ import annotations

import pytest

from metagan.evaluation.confidence import mean_and_ci95


def test_by_hand() -> None:
    # mean 3/4; squared deviations 3 * 1/16 + 9/16 = 3/4; variance 3/4 / 3 = 1/4; 1.96 * 1/2 / 2
    assert mean_and_ci95([1.0, 0.0, 1.0, 1.0]) == {"mean": 0.75, "ci95": pytest.approx(0.49)}


def test_equal_values_leave_no_doubt() -> None:
    assert mean_and_ci95([0.5, 0.5, 0.5]) == {"mean": 0.5, "ci95": 0.0}


def test_one_value_has_no_spread() -> None:
    with pytest.raises(ValueError, match=r"at least 2 numbers in a row, got shape \(1,\)"):
        mean_and_ci95([1.0])
