"""Proximal policy optimisation of a recurrent agent on whole trials (arXiv 1707.06347, 1611.02779)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.nets.randomness import seeded
from metagan.reinforcement.agent import Agent
from metagan.reinforcement.problems import Family, Trials, encode

SKIPPED_IN_A_ROW = 20


@dataclass(frozen=True)
class Ppo:
    """Names as in the paper; `trace_decay` is the lambda of generalised advantages."""

    updates: int
    trials_per_update: int
    epochs: int
    minibatches: int
    hidden_size: int
    learning_rate: float
    clip: float
    entropy: float
    discount: float
    trace_decay: float


class Rollout(NamedTuple):
    """T steps of N trials; all but `seen` (T, N, observation_size) are (T, N)."""

    seen: Tensor
    action: Tensor
    log_probability: Tensor
    advantage: Tensor
    target: Tensor
    reward: Tensor


@torch.no_grad()
def roll_out(agent: Agent, count: int, seed: int, discount: float, trace_decay: float) -> Rollout:
    """Play `count` new trials with what the agent draws; what it learns from are the means of the rewards it sees."""
    trials, generator = Trials(agent.family, count, seed), torch.Generator().manual_seed(seed)
    memory, steps = None, []
    for _ in range(agent.family.steps):
        seen = torch.from_numpy(encode(agent.family, trials.seen))
        logits, value, memory = agent(seen[None], memory)
        logs = logits[0].log_softmax(-1)
        action = torch.multinomial(logs.exp(), 1, generator=generator)
        reward = torch.from_numpy(trials.step(action[:, 0].numpy()).expected).float()
        steps.append((seen, action[:, 0], logs.gather(1, action)[:, 0], value[0], reward))
    seen, action, log_probability, value, reward = (torch.stack(column) for column in zip(*steps, strict=True))
    advantage = advantages(reward, value, discount, trace_decay)
    return Rollout(seen, action, log_probability, advantage, advantage + value, reward)


def advantages(reward: Tensor, value: Tensor, discount: float, trace_decay: float) -> Tensor:
    """Generalised advantages (arXiv 1506.02438) of (T, N) steps: they run through the ends of episodes, for it is the
    trial that is to go well; after it nothing comes."""
    following = torch.cat([value[1:], torch.zeros_like(value[:1])])
    surprise, total, running = reward + discount * following - value, [], torch.zeros_like(value[0])
    for step in reversed(range(len(reward))):
        running = surprise[step] + discount * trace_decay * running
        total.append(running)
    return torch.stack(total[::-1])


def loss(agent: Agent, part: Rollout, clip: float, entropy_weight: float) -> Tensor:
    """Clipped surrogate, squared error of values in their unit, and the entropy that is wanted."""
    logits, value, _ = agent(part.seen)
    logs = logits.log_softmax(-1)
    ratio = (logs.gather(-1, part.action[..., None])[..., 0] - part.log_probability).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    surrogate = torch.minimum(ratio * part.advantage, clipped * part.advantage).mean()
    error = ((value - part.target) / agent.value_scale).square().mean()
    entropy = -(logs.exp() * logs).sum(-1).mean()
    return error - surrogate - entropy_weight * entropy


class Training:
    """PPO that can be stopped after any update and goes on to the same bits."""

    def __init__(self, family: Family, settings: Ppo, seed: int) -> None:
        self.family, self.settings, self.seed = family, settings, seed
        with seeded(seed):
            self.agent = Agent(family, settings.hidden_size, settings.discount)
        self.optimiser = torch.optim.Adam(self.agent.parameters(), settings.learning_rate, eps=1e-5)
        self.done, self.skipped, self.skipped_in_a_row = 0, 0, 0
        self.history: list[dict[str, float]] = []

    def update(self) -> None:
        """New trials, and a few passes over them; rate and entropy fall to 0 in the second half of the training."""
        settings = self.settings
        share = min(1.0, 2 - 2 * self.done / settings.updates)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * share
        seed = 1_000_003 * (self.seed + 1) + self.done
        rollout = roll_out(self.agent, settings.trials_per_update, seed, settings.discount, settings.trace_decay)
        shuffle = torch.Generator().manual_seed(seed)
        advantage = rollout.advantage
        rollout = rollout._replace(advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8))
        for _ in range(settings.epochs):
            for chosen in torch.randperm(settings.trials_per_update, generator=shuffle).chunk(settings.minibatches):
                self._step(Rollout(*(column[:, chosen] for column in rollout)), settings.entropy * share)
        self.done += 1
        self.history.append(
            {"steps": self.done * rollout.reward.numel(), "reward": rollout.reward.sum(0).mean().item()}
        )

    def _step(self, part: Rollout, entropy_weight: float) -> None:
        self.optimiser.zero_grad()
        loss(self.agent, part, self.settings.clip, entropy_weight).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.agent.parameters(), 0.5)
        if norm.isfinite():
            self.skipped_in_a_row = 0
            self.optimiser.step()
            return
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row > SKIPPED_IN_A_ROW:
            raise UserError(
                f"learning_rate: {self.settings.learning_rate} is too high: "
                f"more than {SKIPPED_IN_A_ROW} gradients in a row were not finite"
            )

    def state(self) -> dict[str, Any]:
        return {
            "agent": self.agent.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
            "skipped": [self.skipped, self.skipped_in_a_row],
            "history": self.history,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.history = state["done"], state["history"]
        self.skipped, self.skipped_in_a_row = state["skipped"]
