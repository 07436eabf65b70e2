"""An RL² agent for tabular MDPs, whose memory is a table as the problem is one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.reinforcement.distributions import Choice
from metagan.reinforcement.problems import Family


class TabularAgent(nn.Module):
    """A table of memories, one for each state and action, of which a step changes the one of what was done: a GRU cell,
    the same for all, sees the reward and the memories of the state that was reached, as a value is learned of the
    next. An action is as good as its memory in the present state, beside the mean of that state and of the table,
    says; another head gives the value of what is still to come, in units of `value_scale`.

    Names of states and actions mean nothing, and what is learned of one is known of all: exchangeable elements beside
    their mean, Zaheer et al. 2017, arXiv 1703.06114, equation 4. Layer normalisation wherever memories are read.
    """

    def __init__(self, family: Family, hidden_size: int, discount: float) -> None:
        super().__init__()
        self.family = family
        self.value_scale = sum(discount**step for step in range(family.steps))
        self.first = nn.Parameter(torch.zeros(hidden_size))
        self.cell = nn.GRUCell(2 + hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.mixing = nn.Linear(3 * hidden_size + 1, hidden_size)
        self.actor = nn.Linear(hidden_size, 1)
        self.critic = nn.Linear(hidden_size, 1)
        nn.init.orthogonal_(self.cell.weight_hh)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    def forward(self, seen: Tensor, table: Tensor | None = None) -> tuple[Choice, Tensor, Tensor]:
        """(T, N, observation_size) -> the actions' distribution (T, N), values (T, N), and the table (N, states,
        actions, hidden_size), to be given with what is seen next."""
        states, actions = self.family.states, self.family.actions
        action, before, now, numbers = seen.split([actions, states, states, 3], -1)
        done_in = before[..., None] * action[..., None, :]
        if table is None:
            table = self.first.expand(seen.shape[1], states, actions, -1)
        here, everywhere = [], []
        for place, reached, told in zip(done_in, now, numbers, strict=True):
            table = self._changed(table, place, reached, told)
            here.append(_at(table, reached))
            everywhere.append(table.mean((1, 2)))
        own = self.norm(torch.stack(here))
        shared = [own.mean(2), self.norm(torch.stack(everywhere)), numbers[..., 2:]]
        beside = torch.cat(shared, -1)[..., None, :].expand(-1, -1, actions, -1)
        mixed = self.mixing(torch.cat([own, beside], -1)).tanh()
        value = self.value_scale * self.critic(mixed.mean(2)).squeeze(-1)
        return Choice(self.actor(mixed).squeeze(-1)), value, table

    def _changed(self, table: Tensor, place: Tensor, reached: Tensor, told: Tensor) -> Tensor:
        """The table after a step in the state and by the action `place` (N, states, actions), one of them 1, or none
        before the first step, to the state `reached` (N, states). An episode's end leads nowhere."""
        reward_and_end = told[:, :2]
        led_to = self.norm(_at(table, reached)).amax(1) * (1 - told[:, 1:2])
        own = torch.einsum("nsa,nsah->nh", place, table)
        change = self.cell(torch.cat([reward_and_end, led_to], -1), own) - own
        return table + place[..., None] * change[:, None, None]


def _at(table: Tensor, state: Tensor) -> Tensor:
    """(N, actions, hidden_size) of each state (N, states), one of many."""
    return torch.einsum("ns,nsah->nah", state, table)
