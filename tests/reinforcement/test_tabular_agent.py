from __future__ import annotations

import pytest
import torch

from metagan.reinforcement.agent import AgentPolicy
from metagan.reinforcement.policies import play
from metagan.reinforcement.ppo import AgentTraining, Ppo, roll_out
from metagan.reinforcement.problems import tabular_mdps
from metagan.reinforcement.tabular_agent import TabularAgent


def test_names_of_states_mean_nothing() -> None:
    agent = TabularAgent(tabular_mdps(2, states=3, actions=4, horizon=4), 8, 0.9)
    seen = roll_out(agent, 5, 0, 0.9, 0.5).seen
    action, before, now, numbers = seen.split([4, 3, 3, 3], -1)
    renamed = torch.cat([action, before[..., [2, 0, 1]], now[..., [2, 0, 1]], numbers], -1)
    with torch.no_grad():
        choice, values, table = agent(seen)
        other_choice, other_values, other_table = agent(renamed)
    torch.testing.assert_close(other_choice.logits, choice.logits)
    torch.testing.assert_close(other_values, values)
    torch.testing.assert_close(other_table, table[:, [2, 0, 1]])


def test_a_step_changes_the_memory_of_what_was_done_alone() -> None:
    agent = TabularAgent(tabular_mdps(2, states=3, actions=4, horizon=4), 8, 0.9)
    seen = roll_out(agent, 5, 0, 0.9, 0.5).seen
    with torch.no_grad():
        *_, before = agent(seen[:4])
        *_, after = agent(seen[4:5], before)
    state, action = seen[4, :, 4:7].argmax(-1), seen[4, :, :4].argmax(-1)
    changed = (before != after).any(-1)
    assert changed.sum((1, 2)).tolist() == [1] * 5
    assert changed[torch.arange(5), state, action].all()
    with torch.no_grad():
        *_, first = agent(seen[:1])
    assert torch.equal(first, agent.first.expand_as(first))  # nothing has been done yet


def test_what_a_step_led_to_is_told_to_the_memory_of_what_was_done() -> None:
    """Two trials that are alike but for what is known of the state that the last step reached."""
    agent = TabularAgent(tabular_mdps(2, states=3, actions=2, horizon=5), 8, 0.9)

    def step(state: int, action: int, reached: int, reward: float, ended: float = 0.0) -> torch.Tensor:
        one = torch.eye(3)
        return torch.cat([torch.eye(2)[action], one[state], one[reached], torch.tensor([reward, ended, 0.3])])

    def memory(reward_there: float, ended: float) -> torch.Tensor:
        steps = [step(1, 0, 0, reward_there), step(0, 1, 1, 0.5, ended)]
        with torch.no_grad():
            return agent(torch.stack(steps)[:, None])[2][0, 0, 1]

    assert not torch.equal(memory(2.0, 0.0), memory(-2.0, 0.0))
    assert torch.equal(memory(2.0, 1.0), memory(-2.0, 1.0))  # the end of an episode leads nowhere


def test_it_learns_which_action_of_a_state_gave_something() -> None:
    """Two states and two actions: beyond what any policy earns that remembers nothing, 1 a step."""
    family = tabular_mdps(4, states=2, actions=2, horizon=5)
    settings = Ppo(15, 128, 4, 2, 1e-2, 0.2, 0.01, 0.99, 0.9)
    training = AgentTraining(lambda: TabularAgent(family, 16, settings.discount), settings, 3)
    before = play(AgentPolicy(training.agent, 0), family, 4000, 99).mean()
    for _ in range(settings.updates):
        training.update()
    after = play(AgentPolicy(training.agent, 0), family, 4000, 99).mean()
    assert before == pytest.approx(20, abs=0.6)
    assert after > 23
