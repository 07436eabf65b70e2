from __future__ import annotations

import numpy as np
import pytest

from metagan.reinforcement.gittins import gittins_table

DEPTH = 200


def test_the_published_index() -> None:
    """Gittins, Glazebrook and Weber 2011, table 8.1 at discount 0.9: 0.7029 for a uniform prior, and its neighbours;
    there one success and one failure are the prior itself."""
    table = gittins_table(2, 0.9)
    published = [[0.7029, 0.5001, 0.3796], [0.8001, 0.6346, np.nan], [0.8452, np.nan, np.nan]]
    np.testing.assert_allclose(table, published, atol=2e-4)


@pytest.mark.parametrize(("wins", "losses", "discount"), [(0, 0, 0.9), (3, 1, 0.9), (1, 4, 0.8)])
def test_by_restarting(wins: int, losses: int, discount: float) -> None:
    """Katehakis and Veinott 1987: the index is (1 - discount) times the value of the arm to one who may at any time
    put it back to where it is now; here by value iteration."""
    successes = np.arange(DEPTH)[:, None] + wins + 1.0
    failures = np.arange(DEPTH)[None] + losses + 1.0
    chance = successes / (successes + failures)
    value = np.zeros((DEPTH + 1, DEPTH + 1))
    for _ in range(200):
        going_on = chance * (1 + discount * value[1:, :-1]) + (1 - chance) * discount * value[:-1, 1:]
        value[:-1, :-1] = np.maximum(going_on, going_on[0, 0])
    index = gittins_table(wins + losses, discount)[wins, losses]
    assert index == pytest.approx((1 - discount) * value[0, 0], abs=2e-4)
