"""Measures of forgetting, by hand and by loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metagan.evaluation.forgetting import continual_measures, first_regret

BY_HAND = [[0.9, 0.2, 0.1], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]


def test_a_matrix_by_hand() -> None:
    found = continual_measures(BY_HAND)
    assert found["average"] == pytest.approx(0.6)
    assert found["forgetting"] == pytest.approx(((0.9 - 0.5) + (0.8 - 0.7)) / 2)
    assert found["backward_transfer"] == pytest.approx(((0.5 - 0.9) + (0.7 - 0.8)) / 2)
    assert first_regret(BY_HAND, [0.9, 0.8, 0.8]) == pytest.approx(((0.8 - 0.2) + (0.8 - 0.3)) / 2)


def test_the_best_earlier_look_counts_and_not_the_first() -> None:
    found = continual_measures([[0.3, 0.0], [0.7, 0.2], [0.4, 0.9]])
    assert found["forgetting"] == pytest.approx(0.3)
    assert found["backward_transfer"] == pytest.approx(0.1)


def test_a_distance_is_better_when_it_is_small() -> None:
    distances = -np.array(BY_HAND)
    found, expected = continual_measures(distances, -1), continual_measures(BY_HAND)
    assert found["average"] == pytest.approx(-expected["average"])
    assert [found[name] for name in ("forgetting", "backward_transfer")] == pytest.approx(
        [expected[name] for name in ("forgetting", "backward_transfer")]
    )
    assert first_regret(distances, [-0.9, -0.8, -0.8], -1) == pytest.approx(0.55)


@given(arrays(np.float64, st.tuples(st.integers(4, 6), st.integers(2, 4)), elements=st.floats(0, 1)))
def test_by_loops(matrix: np.ndarray) -> None:
    looks, phases = matrix.shape
    forgotten, moved = [], []
    for phase in range(phases - 1):
        forgotten.append(max(matrix[look][phase] for look in range(looks - 1)) - matrix[looks - 1][phase])
        moved.append(matrix[looks - 1][phase] - matrix[phase][phase])
    found = continual_measures(matrix)
    assert found["forgetting"] == pytest.approx(sum(forgotten) / len(forgotten))
    assert found["backward_transfer"] == pytest.approx(sum(moved) / len(moved))


@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (2, 3)])
def test_too_small_a_matrix_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a matrix of at least 2 looks"):
        continual_measures(np.zeros(shape))
