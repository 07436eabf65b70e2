from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from metagan.errors import UserError
from metagan.reinforcement.agent import Agent, AgentPolicy
from metagan.reinforcement.policies import play
from metagan.reinforcement.ppo import AgentTraining, Ppo, advantages, loss, roll_out
from metagan.reinforcement.problems import Family, bandits, tabular_mdps
from metagan.reinforcement.tabular_agent import TabularAgent

SMALL = Ppo(
    updates=4, trials_per_update=8, epochs=2, minibatches=2, learning_rate=1e-3, clip=0.1, entropy=0.01,
    discount=0.9, trace_decay=0.5,
)  # fmt: skip


def training_of(family: Family, settings: Ppo = SMALL, hidden_size: int = 8) -> AgentTraining[Agent]:
    return AgentTraining(lambda: Agent(family, hidden_size, settings.discount), settings, 3)


def test_advantages_by_their_definition() -> None:
    """Equation 16 of arXiv 1506.02438, a sum over all later steps; ends of episodes do not stop it."""
    generator = torch.Generator().manual_seed(0)
    reward, value = torch.rand(5, 2, generator=generator), torch.rand(5, 2, generator=generator)
    found = advantages(reward, value, 0.9, 0.5)
    after = torch.cat([value[1:], torch.zeros(1, 2)])
    surprises = reward + 0.9 * after - value
    for step in range(5):
        expected = sum(0.45**later * surprises[step + later] for later in range(5 - step))
        torch.testing.assert_close(found[step], expected)


@pytest.mark.parametrize("kind", [Agent, TabularAgent])
def test_what_the_rollout_says_of_actions_is_what_the_agent_gives_them(kind: type[Agent] | type[TabularAgent]) -> None:
    """The memory runs through the ends of episodes: one pass over the whole trial gives the same probabilities."""
    agent = kind(tabular_mdps(3, states=4, actions=2, horizon=5), 8, 0.9)
    rollout = roll_out(agent, 6, 0, 0.9, 0.5)
    with torch.no_grad():
        choice, values, _ = agent(rollout.seen)
    logs = choice.logits.log_softmax(-1).gather(-1, rollout.action[..., None])[..., 0]
    torch.testing.assert_close(logs, rollout.log_probability)
    torch.testing.assert_close(rollout.target - rollout.advantage, values)
    assert rollout.action.min() >= 0 and rollout.action.max() < 2


def test_the_loss_by_hand() -> None:
    agent = Agent(bandits(3, 2), 8, 0.9)
    rollout = roll_out(agent, 5, 0, 0.9, 0.5)
    rollout = rollout._replace(log_probability=rollout.log_probability - 0.3)  # ratios of e^0.3, more than 1.1
    choice, value, _ = agent(rollout.seen)
    chances = choice.logits.softmax(-1)
    gain = torch.where(rollout.advantage > 0, 1.1 * rollout.advantage, math.exp(0.3) * rollout.advantage)
    error = ((value - rollout.target) / (1 + 0.9 + 0.81)) ** 2
    expected = error.mean() - gain.mean() + 0.01 * (chances * chances.log()).sum(-1).mean()
    torch.testing.assert_close(loss(agent, rollout, 0.1, 0.01), expected)


def test_a_training_that_was_stopped_goes_on_to_the_same_bits() -> None:
    whole, first, second = (training_of(bandits(5, 2)) for _ in range(3))
    for _ in range(4):
        whole.update()
    for _ in range(2):
        first.update()
    second.load(copy.deepcopy(first.state()))
    for _ in range(2):
        second.update()
    assert whole.history == second.history
    for name, value in whole.agent.state_dict().items():
        assert torch.equal(value, second.agent.state_dict()[name]), name


def test_gradients_that_are_not_finite_are_counted_and_in_the_end_refused() -> None:
    training = training_of(bandits(5, 2))
    with torch.no_grad():
        training.agent.critic.bias.fill_(float("inf"))
    with pytest.raises(UserError, match=r"learning_rate: 0\.001 is too high"):
        for _ in range(10):
            training.update()
    assert training.skipped == 21


def test_it_learns_to_remember_which_arm_gave_something() -> None:
    """Two arms, five pulls: beyond what any policy earns that does not look at rewards, 2.5."""
    family = bandits(5, 2)
    training = training_of(family, Ppo(25, 256, 4, 2, 1e-2, 0.2, 0.01, 0.99, 0.3), 16)
    before = play(AgentPolicy(training.agent, 0), family, 4000, 99).mean()
    for _ in range(25):
        training.update()
    after = play(AgentPolicy(training.agent, 0), family, 4000, 99).mean()
    assert before == pytest.approx(2.5, abs=0.06)
    assert after > 2.7


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (Agent, bandits(6, 4)),
        (Agent, tabular_mdps(2, states=3, actions=4, horizon=4)),
        (TabularAgent, tabular_mdps(2, states=3, actions=4, horizon=4)),
    ],
)
def test_names_of_actions_mean_nothing(kind: type[Agent] | type[TabularAgent], family: Family) -> None:
    """Who calls the actions otherwise gets the same probabilities under the other names, and the same values."""
    agent = kind(family, 8, 0.9)
    seen = roll_out(agent, 5, 0, 0.9, 0.5).seen
    order = torch.tensor([2, 0, 3, 1])
    renamed = torch.cat([seen[..., order], seen[..., 4:]], -1)
    with torch.no_grad():
        choice, values, _ = agent(seen)
        other_choice, other_values, _ = agent(renamed)
    torch.testing.assert_close(other_choice.logits, choice.logits[..., order])
    torch.testing.assert_close(other_values, values)
    spread = choice.logits[-1].std(-1)  # by what was done they are told apart: in a table, where it was done
    assert (spread.min() if kind is Agent else spread.max()) > 0


def test_equal_seeds_play_equally() -> None:
    family = bandits(5, 2)
    agent = Agent(family, 8, 0.9)
    one, same, other = (play(AgentPolicy(agent, seed), family, 50, 1) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
