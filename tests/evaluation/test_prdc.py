from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagan.evaluation.prdc import prdc


@given(seed=st.integers(0, 2**16), nearest=st.integers(1, 8), scale=st.floats(0.2, 2.0), shift=st.floats(0.0, 3.0))
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_authors_package(seed: int, nearest: int, scale: float, shift: float) -> None:
    package = pytest.importorskip("prdc", reason="the prdc package is not installed")
    generator = np.random.default_rng(seed)
    real, samples = generator.normal(size=(60, 4)), shift + scale * generator.normal(size=(60, 4))
    expected = package.compute_prdc(real, samples, nearest)
    assert prdc(samples, real, nearest) == pytest.approx(expected, abs=1e-12)


def test_points_on_a_line_by_hand() -> None:
    real = np.array([[0.0], [1.0], [2.0], [10.0]])  # radii 1, 1, 1, 8
    samples = np.array([[0.5], [0.6], [5.0], [30.0]])  # radii 0.1, 0.1, 4.4, 25
    assert prdc(samples, real, nearest_neighbours=1) == {
        "precision": 3 / 4,  # 30 lies in no real ball
        "recall": 3 / 4,  # 1, 2 and 10 lie in the ball of 5 or of 30; 0 in none
        "density": (2 + 2 + 1 + 0) / 4,
        "coverage": 3 / 4,  # no sample lies within 1 of 2
    }


@pytest.mark.parametrize("nearest", [0, 5])
def test_too_few_samples_for_the_neighbours_are_refused(nearest: int) -> None:
    with pytest.raises(ValueError, match=rf"evaluate.nearest_neighbours must be between 1 and .*\(4\), not {nearest}"):
        prdc(np.zeros((5, 2)), np.zeros((5, 2)), nearest)
