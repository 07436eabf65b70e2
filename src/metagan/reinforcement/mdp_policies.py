"""Policies for tabular MDPs that know the family: they plan in a model at the start of every episode."""

from __future__ import annotations

import numpy as np

from metagan.reinforcement.policies import Policy
from metagan.reinforcement.problems import Family, Indices, Numbers, Seen, Trials


def plan(transitions: Numbers, means: Numbers, horizon: int) -> Indices:
    """(horizon, N, S) best actions by backward induction in N models (N, S, A, S), (N, S, A)."""
    value, best = np.zeros(means.shape[:2]), []
    for _ in range(horizon):
        gain = means + (transitions @ value[:, None, :, None])[..., 0]
        best.append(gain.argmax(-1))
        value = gain.max(-1)
    return np.stack(best[::-1])


class ModelPolicy(Policy):
    """Plans in a model of what it has seen: `sampled` from the posterior (PSRL, arXiv 1306.0940) or its mean; a share
    `epsilon` of the actions is drawn by chance."""

    def __init__(self, family: Family, sampled: bool, epsilon: float, seed: int) -> None:
        self.family, self.sampled, self.epsilon = family, sampled, epsilon
        self._luck = np.random.default_rng(seed)

    def act(self, seen: Seen) -> Indices:
        count = len(seen.state)
        if seen.step == 0:
            size = (count, self.family.states, self.family.actions)
            self._arrivals = np.zeros((*size, self.family.states), np.float32)
            self._visits, self._rewards = np.zeros(size), np.zeros(size)
        else:
            where = (np.arange(count), self._state, seen.action)
            self._visits[where] += 1
            self._rewards[where] += seen.reward
            if not seen.done[0]:  # where a step would have led that ended an episode is not seen
                self._arrivals[(*where, seen.state)] += 1
        moment = seen.step % self.family.horizon
        if moment == 0:
            self._plan = plan(*self._model(), self.family.horizon)
        self._state = seen.state
        action = self._plan[moment, np.arange(count), seen.state]
        by_chance = self._luck.random(count) < self.epsilon
        return np.where(by_chance, self._luck.integers(self.family.actions, size=count), action)

    def _model(self) -> tuple[Numbers, Numbers]:
        """Transitions of a Dirichlet(1) prior, means of an N(1, 1) prior under noise of variance 1."""
        weights, precision = self._arrivals + 1, self._visits + 1
        means = (self._rewards + 1) / precision
        if self.sampled:
            weights = self._luck.standard_gamma(weights, dtype=np.float32)
            means = means + self._luck.normal(size=means.shape) / np.sqrt(precision)
        return weights / weights.sum(-1, keepdims=True), means


def oracle(family: Family, count: int, seed: int) -> Numbers:
    """(N,) expected rewards of the best policy of one who knows each problem."""
    trials = Trials(family, count, seed)
    value = np.zeros(trials.means.shape[:2])
    for _ in range(family.horizon):
        value = (trials.means + (trials.transitions @ value[:, None, :, None])[..., 0]).max(-1)
    return family.episodes * value[:, 0]
