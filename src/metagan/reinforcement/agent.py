"""RL² (arXiv 1611.02779): a recurrent policy whose memory lasts through a trial, and so does the learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from metagan.reinforcement.policies import Policy
from metagan.reinforcement.problems import Family, Indices, Seen, encode


class Agent(nn.Module):
    """A GRU with layer normalisation, a head for actions, and one for the value of what is still to come, which is in
    units of `value_scale`."""

    def __init__(self, family: Family, hidden_size: int, discount: float) -> None:
        super().__init__()
        self.family = family
        self.value_scale = sum(discount**step for step in range(family.steps))
        self.memory = nn.GRU(family.observation_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.actor = nn.Linear(hidden_size, family.actions)
        self.critic = nn.Linear(hidden_size, 1)
        nn.init.orthogonal_(self.memory.weight_hh_l0)
        nn.init.orthogonal_(self.actor.weight, 0.01)
        nn.init.zeros_(self.actor.bias)

    def forward(self, seen: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(T, N, observation_size) -> logits of actions (T, N, actions), values (T, N), memory (1, N, hidden_size)."""
        states, memory = self.memory(seen, memory)
        states = self.norm(states)
        return self.actor(states), self.value_scale * self.critic(states).squeeze(-1), memory


class AgentPolicy(Policy):
    """Plays what the agent draws."""

    def __init__(self, agent: Agent, seed: int) -> None:
        self.agent = agent
        self._memory: Tensor | None = None
        self._generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def act(self, seen: Seen) -> Indices:
        logits, _, self._memory = self.agent(torch.from_numpy(encode(self.agent.family, seen))[None], self._memory)
        return torch.multinomial(logits[0].softmax(-1), 1, generator=self._generator)[:, 0].numpy()
