from __future__ import annotations

import numpy as np
import torch

from metagan.reinforcement.navigation import Navigation
from metagan.reinforcement.navigator import Navigator, walked
from metagan.reinforcement.ppo import AgentTraining, Ppo, roll_out

FAMILY = Navigation(4, 2)


def test_what_the_rollout_says_of_moves_is_what_the_agent_gives_them() -> None:
    agent = Navigator(FAMILY, 8, 0.9)
    rollout = roll_out(agent, 6, 0, 0.9, 0.5)
    assert rollout.seen.shape == (8, 6, 7) and rollout.action.shape == (8, 6, 2)
    with torch.no_grad():
        moves, values, _ = agent(rollout.seen)
    torch.testing.assert_close(moves.log_probability(rollout.action), rollout.log_probability)
    torch.testing.assert_close(rollout.target - rollout.advantage, values)


def test_a_trial_is_two_walks_with_one_memory() -> None:
    agent, goals = Navigator(FAMILY, 8, 0.9), FAMILY.goals(5, 0)
    rewards, places = walked(agent, FAMILY, goals, 0)
    assert rewards.shape == (2, 5) and places.shape == (2, 4, 5, 2) and not places[:, 0].any()
    arrived = places[:, 1:] - goals
    assert (rewards < -np.square(arrived).sum(-1).sum(1)).all()  # and of the last step, which is not drawn


def test_it_learns_to_go_where_it_is_better() -> None:
    family = Navigation(8, 1)
    training = AgentTraining(lambda: Navigator(family, 16, 0.9), Ppo(75, 128, 4, 2, 1e-2, 0.2, 0.0, 0.9, 0.9), 0)
    goals = family.goals(200, 99)
    still = -8 * np.square(goals).sum(1).mean()
    for _ in range(75):
        training.update()
    assert walked(training.agent, family, goals, 0)[0].mean() > 0.8 * still
