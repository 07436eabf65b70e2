from __future__ import annotations

import numpy as np
import pytest

from metagan.reinforcement.navigation import Navigation, Walks, oracle

FAMILY = Navigation(horizon=3, episodes=2)
GOALS = np.array([[0.3, -0.2], [0.05, 0.5]])


def test_a_walk_by_hand() -> None:
    walks = Walks(FAMILY, GOALS)
    np.testing.assert_allclose(walks.observed(), np.zeros((2, 7)))
    rewards = walks.step(np.array([[1.0, -0.5], [0.5, 7.0]]))
    np.testing.assert_allclose(walks.position, [[0.1, -0.05], [0.05, 0.1]])  # 7 is cut at the largest step
    np.testing.assert_allclose(rewards, [-(0.2**2 + 0.15**2), -(0.4**2)])
    np.testing.assert_allclose(walks.observed()[1], [0.1, 0.2, 0.5, 1.0, 0.4, 0.0, 1 / 6], rtol=1e-6)


def test_every_walk_begins_at_the_origin_and_the_goal_stays() -> None:
    walks = Walks(FAMILY, GOALS)
    first, again = ([walks.step(np.ones((2, 2))) for _ in range(3)] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert walks.observed()[0, 5] == 1 and not walks.position.any()


def test_goals_are_all_over_the_square_and_a_function_of_the_seed() -> None:
    goals = FAMILY.goals(4000, 0)
    assert np.abs(goals).max() <= 0.5
    np.testing.assert_allclose(np.square(goals).sum(1).mean(), 1 / 6, atol=0.01)
    np.testing.assert_array_equal(goals, FAMILY.begin(4000, 0).goals)
    assert (goals != FAMILY.goals(4000, 1)).any()


def test_the_oracle_by_hand() -> None:
    """Two steps to the right and one that needs half a step; then it stays."""
    earned = oracle(Navigation(5, 1), np.array([[0.25, 0.0]]))
    assert earned[0] == pytest.approx(-(0.15**2 + 0.05**2))
    assert (oracle(Navigation(5, 1), GOALS) >= [Walks(FAMILY, GOALS).step(np.zeros((2, 2))).min() * 5] * 2).all()
