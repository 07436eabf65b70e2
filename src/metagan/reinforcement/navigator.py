"""RL² (arXiv 1611.02779) for a point in the plane: the memory of a trial is where the goal may be."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from metagan.reinforcement.distributions import Gaussian
from metagan.reinforcement.navigation import MEAN_REWARD, OBSERVATION_SIZE, Navigation, Walks
from metagan.reinforcement.problems import Numbers


class Navigator(nn.Module):
    """A GRU with layer normalisation that gives the mean of the next move, of which the deviation is learned, and the
    value of what is still to come."""

    def __init__(self, family: Navigation, hidden_size: int, discount: float) -> None:
        super().__init__()
        self.family = family
        self.value_scale = MEAN_REWARD * sum(discount**step for step in range(family.steps))
        self.memory = nn.GRU(OBSERVATION_SIZE, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.actor = nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.Tanh(), nn.Linear(hidden_size, 2))
        self.critic = nn.Linear(hidden_size, 1)
        self.log_deviation = nn.Parameter(torch.full((2,), -0.5))
        nn.init.orthogonal_(self.memory.weight_hh_l0)

    def forward(self, seen: Tensor, memory: Tensor | None = None) -> tuple[Gaussian, Tensor, Tensor]:
        """(T, N, OBSERVATION_SIZE) -> moves' distribution (T, N, 2), values (T, N), and the memory, to be given with
        what is seen next."""
        states, memory = self.memory(seen, memory)
        states = self.norm(states)
        value = self.value_scale * self.critic(states).squeeze(-1)
        return Gaussian(self.actor(states), self.log_deviation), value, memory


@torch.no_grad()
def walked(agent: Navigator, family: Navigation, goals: Numbers, seed: int) -> tuple[Numbers, Numbers]:
    """What each walk of a trial earns, (episodes, N), and where it was, (episodes, horizon, N, 2), by moves that the
    agent draws, as it did when it learned."""
    walks, memory, generator = Walks(family, goals), None, torch.Generator().manual_seed(seed)
    rewards, places = [], []
    for _ in range(family.steps):
        moves, _, memory = agent(torch.from_numpy(walks.observed())[None], memory)
        before = walks.position
        rewards.append(walks.step(moves.sample(generator)[0].numpy()))
        places.append(before)
    shape = (family.episodes, family.horizon)
    return np.stack(rewards).reshape(*shape, -1).sum(1), np.stack(places).reshape(*shape, -1, 2)
