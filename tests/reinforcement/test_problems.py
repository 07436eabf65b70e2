from __future__ import annotations

import numpy as np
import pytest

from metagan.reinforcement.problems import Family, Trials, bandits, encode, tabular_mdps

FAMILIES = [bandits(6, 3), tabular_mdps(3, states=4, actions=2, horizon=5)]
each_family = pytest.mark.parametrize("family", FAMILIES)


@each_family
def test_equal_seeds_give_equal_luck_whatever_is_done(family: Family) -> None:
    """The same arm at the same step gives the same, though what came before differs."""
    one, other = Trials(family, 50, 7), Trials(family, 50, 7)
    np.testing.assert_array_equal(one.means, other.means)
    one.step(np.zeros(50, int))
    other.step(np.ones(50, int))
    rewards = [trials.step(np.zeros(50, int)).reward for trials in (one, other)]
    same = one.seen.state == other.seen.state
    if family.states == 1:
        np.testing.assert_array_equal(*rewards)
    assert same.any()


def test_an_arm_gives_its_mean() -> None:
    trials = Trials(bandits(400, 2), 40, 0)
    rewards = np.stack([trials.step(np.ones(40, int)).reward for _ in range(400)])
    assert set(np.unique(rewards)) == {0.0, 1.0}
    np.testing.assert_allclose(rewards.mean(0), trials.means[:, 0, 1], atol=0.1)
    np.testing.assert_array_equal(trials.seen.expected, trials.means[:, 0, 1])


def test_transitions_and_rewards_are_those_of_the_mdp() -> None:
    """The shares in which the states are reached from the start, and the mean and spread of rewards there."""
    family, count = tabular_mdps(1, states=3, actions=2, horizon=2), 40_000
    trials = Trials(family, count, 1)
    trials.means[:], trials.transitions[:] = trials.means[0], trials.transitions[0]
    seen = trials.step(np.ones(count, int))
    assert seen.reward.mean() == pytest.approx(trials.means[0, 0, 1], abs=0.03)
    assert seen.reward.std() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(np.bincount(seen.state) / count, trials.transitions[0, 0, 1], atol=0.02)


@each_family
def test_what_is_seen_says_where_the_last_action_was_done(family: Family) -> None:
    trials = Trials(family, 30, 2)
    assert (trials.seen.before == -1).all()
    for _ in range(family.steps):
        state = trials.seen.state
        np.testing.assert_array_equal(trials.step(np.zeros(30, int)).before, state)


def test_an_episode_starts_in_the_first_state_and_a_trial_has_several() -> None:
    trials = Trials(tabular_mdps(3, states=4, actions=2, horizon=5), 20, 0)
    seen = [trials.step(np.zeros(20, int)) for _ in range(15)]
    assert [bool(each.done.all()) for each in seen] == ([False] * 4 + [True]) * 3
    assert all((each.state == 0).all() for each in seen if each.done.all())
    assert any((each.state != 0).any() for each in seen)


def test_the_observation_by_hand() -> None:
    family = tabular_mdps(1, states=3, actions=2, horizon=4)
    trials = Trials(family, 1, 0)
    np.testing.assert_array_equal(encode(family, trials.seen)[0], [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    seen = trials.seen._replace(
        state=np.array([2]), before=np.array([0]), action=np.array([1]), done=np.array([True]), step=3
    )
    seen = seen._replace(reward=np.array([0.5]), expected=np.array([9.0]))
    np.testing.assert_allclose(encode(family, seen)[0], [0, 1, 1, 0, 0, 0, 0, 1, 0.5, 1, 0.75])
    assert family.observation_size == 11
