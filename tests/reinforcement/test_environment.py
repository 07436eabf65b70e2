from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from metagan.reinforcement.problems import bandits, tabular_mdps


@pytest.mark.parametrize("family", [bandits(6, 3), tabular_mdps(2, states=4, actions=2, horizon=5)])
def test_the_checker_of_gymnasium_passes_it(family: object) -> None:
    from gymnasium.utils.env_checker import check_env

    from metagan.reinforcement.environment import TrialEnvironment

    check_env(TrialEnvironment(family), skip_render_check=True)


def test_a_trial_is_one_episode() -> None:
    from metagan.reinforcement.environment import TrialEnvironment

    environment = TrialEnvironment(tabular_mdps(2, states=4, actions=2, horizon=5))
    environment.reset(seed=1)
    ended = [environment.step(np.int64(0))[2:4] for _ in range(10)]
    assert ended == [(False, False)] * 9 + [(True, False)]


def test_without_gymnasium_the_extra_is_named() -> None:
    code = "import sys; sys.modules['gymnasium'] = None; import metagan.reinforcement.environment"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "UserError: gymnasium is not installed: pip install 'metagan[rl]'" in found.stderr
