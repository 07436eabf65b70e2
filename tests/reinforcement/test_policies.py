from __future__ import annotations

import itertools

import numpy as np
import pytest

from metagan.reinforcement import bandit_policies
from metagan.reinforcement.bandit_policies import IndexPolicy
from metagan.reinforcement.mdp_policies import ModelPolicy, oracle, plan
from metagan.reinforcement.policies import play
from metagan.reinforcement.problems import Trials, bandits, tabular_mdps

LUCK = np.random.default_rng(0)
WINS, LOSSES = np.array([[3, 0, 1]]), np.array([[1, 2, 0]])


def test_scores_by_hand() -> None:
    np.testing.assert_allclose(bandit_policies.greedy(WINS, LOSSES, LUCK), [[4 / 6, 1 / 4, 2 / 3]])
    bonus = np.sqrt(2 * np.log(7) / np.array([4, 2, 1]))
    np.testing.assert_allclose(bandit_policies.ucb1(2.0)(WINS, LOSSES, LUCK), [np.array([0.75, 0, 1]) + bonus])
    unpulled = np.array([[0, 3, 1]])
    assert bandit_policies.ucb1(2.0)(unpulled, unpulled, LUCK)[0, 0] == np.inf


def test_thompson_sampling_draws_from_the_posterior() -> None:
    draws = bandit_policies.thompson(np.tile(WINS, (20_000, 1)), np.tile(LOSSES, (20_000, 1)), LUCK)
    np.testing.assert_allclose(draws.mean(0), [4 / 6, 1 / 4, 2 / 3], atol=0.01)
    np.testing.assert_allclose(draws.var(0), [8 / 252, 3 / 80, 2 / 36], atol=0.003)  # ab / ((a + b)^2 (a + b + 1))


def test_an_index_policy_remembers_what_the_arms_gave() -> None:
    family = bandits(30, 3)
    policy, trials = IndexPolicy(family, bandit_policies.thompson, 0), Trials(family, 4, 1)
    wins, losses = np.zeros((4, 3), int), np.zeros((4, 3), int)
    for _ in range(30):
        seen = trials.step(policy.act(trials.seen))
        for trial, (arm, reward) in enumerate(zip(seen.action, seen.reward, strict=True)):
            wins[trial, arm] += reward == 1
            losses[trial, arm] += reward == 0
    policy.act(trials.seen)
    np.testing.assert_array_equal(policy._wins, wins)
    np.testing.assert_array_equal(policy._losses, losses)


def test_random_and_gittins_earn_what_is_published() -> None:
    """Table 1 of arXiv 1611.02779: 5.0 and 6.6 at 10 pulls of 5 arms."""
    family = bandits(10, 5)
    earned = {
        name: play(IndexPolicy(family, score, 0), family, 4000, 5).mean()
        for name, score in {"random": bandit_policies.random, "gittins": bandit_policies.gittins(10, 0.9)}.items()
    }
    assert earned == pytest.approx({"random": 5.0, "gittins": 6.6}, abs=0.1)


def test_the_oracle_of_a_bandit_is_its_best_arm() -> None:
    """Of n pulls of k arms with uniform means, n k / (k + 1) on average."""
    family = bandits(10, 5)
    gains = oracle(family, 4000, 3)
    np.testing.assert_allclose(gains, 10 * Trials(family, 4000, 3).means.max((1, 2)))
    assert gains.mean() == pytest.approx(10 * 5 / 6, abs=0.05)


def test_a_plan_is_the_best_of_all_plans() -> None:
    """By trying all ways to act in a small problem, in which the action may depend on state and step."""
    rng = np.random.default_rng(4)
    means = rng.normal(size=(2, 2))
    transitions = rng.dirichlet(np.ones(2), size=(2, 2))

    def worth(policy: np.ndarray) -> float:
        value = np.zeros(2)
        for actions in policy[::-1]:
            value = np.array([means[s, a] + transitions[s, a] @ value for s, a in enumerate(actions)])
        return value[0]

    every = [np.array(choice).reshape(3, 2) for choice in itertools.product((0, 1), repeat=6)]
    planned = plan(transitions[None], means[None], 3)[:, 0]
    assert worth(planned) == pytest.approx(max(worth(policy) for policy in every))


def test_the_model_is_the_posterior() -> None:
    """Of a Dirichlet(1) prior and an N(1, 1) prior with noise of variance 1; a draw has its mean and spread."""
    family = tabular_mdps(4, states=3, actions=2, horizon=5)
    policy, trials = ModelPolicy(family, False, 0.5, 0), Trials(family, 1, 2)
    rewards, arrivals = {}, np.zeros((3, 2, 3))
    for _ in range(20):
        state = trials.seen.state[0]
        seen = trials.step(policy.act(trials.seen))
        rewards.setdefault((state, seen.action[0]), []).append(seen.reward[0])
        arrivals[state, seen.action[0], seen.state[0]] += not seen.done[0]
    policy.act(trials.seen)
    transitions, means = policy._model()
    np.testing.assert_allclose(transitions[0], (arrivals + 1) / (arrivals + 1).sum(-1, keepdims=True), rtol=1e-6)
    for where in itertools.product(range(3), range(2)):
        found = rewards.get(where, [])
        assert means[0][where] == pytest.approx((1 + sum(found)) / (1 + len(found)))
    policy.sampled = True
    draws = np.stack([policy._model()[1][0] for _ in range(4000)])
    np.testing.assert_allclose(draws.mean(0), means[0], atol=0.07)
    np.testing.assert_allclose(draws.std(0), [[(1 + len(rewards.get((s, a), []))) ** -0.5 for a in (0, 1)] for s in range(3)], rtol=0.07)  # fmt: skip  # noqa: E501


def test_posterior_sampling_lies_between_chance_and_the_oracle() -> None:
    family = tabular_mdps(10)
    by_chance = play(ModelPolicy(family, False, 1.0, 0), family, 300, 5).mean()
    sampled = play(ModelPolicy(family, True, 0.0, 0), family, 300, 5).mean()
    assert by_chance == pytest.approx(100, abs=6)
    assert by_chance + 20 < sampled < oracle(family, 300, 5).mean()
