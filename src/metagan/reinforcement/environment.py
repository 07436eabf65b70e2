"""A trial as an environment of gymnasium, for libraries that learn in such."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError
from metagan.reinforcement.problems import Family, Trials, encode

try:
    import gymnasium
except ImportError:
    raise UserError("gymnasium is not installed: pip install 'metagan[rl]'") from None


class TrialEnvironment(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One trial is one episode of gymnasium, so that a memory lasts through the episodes of the problem."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.action_space = gymnasium.spaces.Discrete(family.actions)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (family.observation_size,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._trials = Trials(self.family, 1, int(self.np_random.integers(2**31)))
        return encode(self.family, self._trials.seen)[0], {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        seen = self._trials.step(np.array([action]))
        return encode(self.family, seen)[0], float(seen.reward[0]), seen.step == self.family.steps, False, {}
