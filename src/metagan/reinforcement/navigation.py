"""A point in the plane that is to find a goal, many at a time (arXiv 1703.03400, section 5.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metagan.reinforcement.problems import Numbers

LARGEST_STEP = 0.1
"""Along each axis."""
OBSERVATION_SIZE = 7
MEAN_REWARD = 1 / 6
"""Squared distance of a goal to the origin, on average."""


@dataclass(frozen=True)
class Navigation:
    """A *trial* is `episodes` walks of `horizon` steps from the origin to one and the same goal, uniform in
    [-0.5, 0.5]². The reward is minus the squared distance to the goal. It is not shown but through that; unlike in the
    paper a walk goes on when it has arrived, where it costs next to nothing to stay."""

    horizon: int
    episodes: int

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.horizon * self.episodes

    def goals(self, count: int, seed: int) -> Numbers:
        """(N, 2)."""
        return np.random.default_rng(seed).uniform(-0.5, 0.5, (count, 2))

    def begin(self, count: int, seed: int) -> Walks:
        """Trials with new goals."""
        return Walks(self, self.goals(count, seed))


class Walks:
    """Trials to given goals (N, 2); nothing in them is left to luck."""

    def __init__(self, family: Navigation, goals: Numbers) -> None:
        self.family, self.goals = family, goals
        self.position = np.zeros_like(goals)
        self.done = 0
        self._last = np.zeros((len(goals), 3))

    def step(self, action: NDArray[np.floating]) -> Numbers:
        """Move by `action` (N, 2) in units of the largest step, cut at 1; the rewards (N,)."""
        moves = np.clip(action, -1, 1)
        self.position = self.position + LARGEST_STEP * moves
        squared = np.square(self.position - self.goals).sum(1)
        self._last = np.concatenate([moves, np.sqrt(squared)[:, None]], 1)
        self.done += 1
        if self.done % self.family.horizon == 0:
            self.position = np.zeros_like(self.goals)
        return -squared

    def learned_from(self, action: NDArray[np.floating]) -> Numbers:
        """See `step`: rewards are learned from as they are."""
        return self.step(action)

    def observed(self) -> NDArray[np.float32]:
        """(N, OBSERVATION_SIZE): where one is, the last move and the distance to the goal after it, whether a walk
        begins again, and the share of the trial that is done."""
        begins = self.done > 0 and self.done % self.family.horizon == 0
        time = np.tile([float(begins), self.done / self.family.steps], (len(self.goals), 1))
        return np.concatenate([2 * self.position, self._last, time], 1).astype(np.float32)


def oracle(family: Navigation, goals: Numbers) -> Numbers:
    """(N,) total reward of a walk by who knows the goal, and goes there straight along each axis."""
    walks = Walks(Navigation(family.horizon, 1), goals)
    total = np.zeros(len(goals))
    for _ in range(family.horizon):
        total += walks.step((goals - walks.position) / LARGEST_STEP)
    return total
