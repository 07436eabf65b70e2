"""Bernoulli bandits and tabular MDPs, many at a time (arXiv 1611.02779, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """A distribution of problems. A *trial* is `episodes` episodes of `horizon` steps in one and the same problem.

    With rewards `bernoulli` the means are uniform in [0, 1]; with `normal` they are N(1, 1), and so is the noise around
    them. Transitions are Dirichlet(1) for each state and action; an episode starts in state 0.
    """

    states: int
    actions: int
    horizon: int
    episodes: int
    rewards: Literal["bernoulli", "normal"]

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.horizon * self.episodes

    @property
    def observation_size(self) -> int:
        return self.actions + 2 * self.states + 3

    def begin(self, count: int, seed: int) -> Trials:
        """New trials."""
        return Trials(self, count, seed)


def bandits(pulls: int, arms: int) -> Family:
    """A bandit has one state, and every pull is an episode."""
    return Family(states=1, actions=arms, horizon=1, episodes=pulls, rewards="bernoulli")


def tabular_mdps(episodes: int, states: int = 10, actions: int = 5, horizon: int = 10) -> Family:
    return Family(states, actions, horizon, episodes, rewards="normal")


class Seen(NamedTuple):
    """What is known after a step, for each of N trials: where one is, and what the last step was and gave."""

    state: Indices
    before: Indices
    """The state that the last step was done in; -1 before the first step."""
    action: Indices
    """-1 before the first step."""
    reward: Numbers
    expected: Numbers
    """Mean of the reward: no policy is shown it, but one can learn from it with less noise than from the reward."""
    done: NDArray[np.bool_]
    """Whether the last step ended an episode."""
    step: int
    """Steps done."""


class Trials:
    """`count` problems of a family. Equal seeds give equal problems and equal luck, whatever is done in them."""

    def __init__(self, family: Family, count: int, seed: int) -> None:
        self.family = family
        self._luck = np.random.default_rng(seed)
        size = (count, family.states, family.actions)
        bernoulli = family.rewards == "bernoulli"
        self.means = self._luck.random(size) if bernoulli else self._luck.normal(1.0, 1.0, size)
        weights = self._luck.standard_exponential((*size, family.states))
        self.transitions = weights / weights.sum(-1, keepdims=True)
        self._all = np.arange(count)
        nothing = np.full(count, -1)
        self.seen = Seen(np.zeros(count, int), nothing, nothing, *np.zeros((2, count)), np.zeros(count, bool), 0)

    def step(self, action: Indices) -> Seen:
        """Do `action` (N,), each in [0, actions)."""
        state, step = self.seen.state, self.seen.step + 1
        means = self.means[self._all, state, action]
        if self.family.rewards == "bernoulli":
            reward = (self._luck.random(len(means)) < means).astype(float)
        else:
            reward = means + self._luck.normal(size=len(means))
        done = np.full(len(means), step % self.family.horizon == 0)
        reached = self.transitions[self._all, state, action].cumsum(-1) < self._luck.random((len(means), 1))
        arrived = np.minimum(reached.sum(-1), self.family.states - 1)
        self.seen = Seen(np.where(done, 0, arrived), state, np.asarray(action), reward, means, done, step)
        return self.seen

    def observed(self) -> NDArray[np.float32]:
        """See `encode`."""
        return encode(self.family, self.seen)

    def learned_from(self, action: Indices) -> Numbers:
        """Do `action` (N,); what is learned from are the means of the rewards that are seen."""
        return self.step(action).expected


def encode(family: Family, seen: Seen) -> NDArray[np.float32]:
    """(N, observation_size): the last action, the state that it was done in and the state now, each as one of many, the
    last reward, whether it ended an episode, and the share of the trial that is done."""
    share = np.full(len(seen.state), seen.step / family.steps)
    numbers = np.stack([seen.reward, seen.done, share], 1).astype(np.float32)
    kinds = ((family.actions, seen.action), (family.states, seen.before), (family.states, seen.state))
    return np.concatenate([*(_one_of_many(count, which) for count, which in kinds), numbers], 1)


def _one_of_many(count: int, which: Indices) -> NDArray[np.float32]:
    """(N, count); -1 is none of them."""
    return np.eye(count + 1, dtype=np.float32)[which + 1][:, 1:]
