"""RL² (arXiv 1611.02779): a recurrent policy whose memory lasts through a trial, and so does the learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.reinforcement.distributions import Choice
from metagan.reinforcement.policies import Policy
from metagan.reinforcement.ppo import RecurrentAgent
from metagan.reinforcement.problems import Family, Indices, Seen, encode


class Agent(nn.Module):
    """A GRU with layer normalisation for each action, all with the same weights: each sees the whole trial and whether
    the last action was its own. Names of actions thus mean nothing, and what is learned of one is known of all. A head
    says how good an action is by its memory and the mean of all; another gives the value of what is still to come,
    which is in units of `value_scale`.

    Memories of exchangeable elements beside their mean: Zaheer et al. 2017, arXiv 1703.06114, equation 4.
    """

    def __init__(self, family: Family, hidden_size: int, discount: float) -> None:
        super().__init__()
        self.family = family
        self.value_scale = sum(discount**step for step in range(family.steps))
        self.memory = nn.GRU(family.observation_size - family.actions + 1, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.mixing = nn.Linear(2 * hidden_size, hidden_size)
        self.actor = nn.Linear(hidden_size, 1)
        self.critic = nn.Linear(hidden_size, 1)
        nn.init.orthogonal_(self.memory.weight_hh_l0)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    def forward(self, seen: Tensor, memory: Tensor | None = None) -> tuple[Choice, Tensor, Tensor]:
        """(T, N, observation_size) -> the actions' distribution (T, N), values (T, N), and the memory, to be given with
        what is seen next."""
        actions = self.family.actions
        own, shared = seen.split([actions, seen.shape[-1] - actions], -1)
        of_each = torch.cat([own[..., None], shared[..., None, :].expand(-1, -1, actions, -1)], -1)
        states, memory = self.memory(of_each.flatten(1, 2), memory)
        states = self.norm(states).unflatten(1, (-1, actions))
        mean = states.mean(2, keepdim=True).expand_as(states)
        mixed = self.mixing(torch.cat([states, mean], -1)).tanh()
        value = self.value_scale * self.critic(mixed.mean(2)).squeeze(-1)
        return Choice(self.actor(mixed).squeeze(-1)), value, memory


class AgentPolicy(Policy):
    """Plays what the agent draws."""

    def __init__(self, agent: RecurrentAgent, seed: int) -> None:
        self.agent = agent
        self._memory: Tensor | None = None
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def act(self, seen: Seen) -> Indices:
        choice, _, self._memory = self.agent(torch.from_numpy(encode(self.agent.family, seen))[None], self._memory)
        return choice.sample(self._generator)[0].numpy()
