"""Bandit policies that nobody has to train: each scores the arms by what they gave, and the best is pulled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metagan.reinforcement.gittins import gittins_table
from metagan.reinforcement.policies import Policy
from metagan.reinforcement.problems import Family, Indices, Numbers, Seen

Score = Callable[[Indices, Indices, np.random.Generator], Numbers]
"""Wins and losses (N, arms), luck -> scores (N, arms)."""


class IndexPolicy(Policy):
    """Pulls the arm of the highest score; among equals one by chance."""

    def __init__(self, family: Family, score: Score, seed: int) -> None:
        self.family, self.score = family, score
        self._luck = np.random.default_rng(seed)

    def act(self, seen: Seen) -> Indices:
        count = len(seen.action)
        if seen.step == 0:
            self._wins = np.zeros((count, self.family.actions), int)
            self._losses = np.zeros_like(self._wins)
        else:
            won = seen.reward > 0.5
            self._wins[np.arange(count), seen.action] += won
            self._losses[np.arange(count), seen.action] += ~won
        score = self.score(self._wins, self._losses, self._luck)
        best = score >= score.max(1, keepdims=True)
        return (best * self._luck.random(score.shape)).argmax(1)


def random(wins: Indices, losses: Indices, luck: np.random.Generator) -> Numbers:
    return np.zeros(wins.shape)


def greedy(wins: Indices, losses: Indices, luck: np.random.Generator) -> Numbers:
    """The mean of the posterior of a uniform prior."""
    return (wins + 1) / (wins + losses + 2)


def thompson(wins: Indices, losses: Indices, luck: np.random.Generator) -> Numbers:
    """A draw from the posterior of a uniform prior."""
    return luck.beta(wins + 1, losses + 1)


def ucb1(bonus: float) -> Score:
    """Auer et al. 2002, where the bonus is 2: the mean and the root of `bonus` ln t / n; arms not pulled come first."""

    def score(wins: Indices, losses: Indices, luck: np.random.Generator) -> Numbers:
        pulls = wins + losses
        known = np.maximum(pulls, 1)
        time = np.maximum(pulls.sum(1, keepdims=True), 1)
        return np.where(pulls == 0, np.inf, wins / known + np.sqrt(bonus * np.log(time) / known))

    return score


def gittins(pulls: int, discount: float) -> Score:
    """The Gittins index at a discount; best for a trial that may end at any step with chance 1 - discount."""
    table = gittins_table(pulls - 1, discount)

    def score(wins: Indices, losses: Indices, luck: np.random.Generator) -> Numbers:
        return table[wins, losses]

    return score
