"""Proximal policy optimisation of a recurrent agent on whole trials (arXiv 1707.06347, 1611.02779)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metagan.errors import UserError
from metagan.nets.randomness import seeded
from metagan.reinforcement.distributions import Distribution

SKIPPED_IN_A_ROW = 20


@dataclass(frozen=True)
class Ppo:
    """Names as in the paper; `trace_decay` is the lambda of generalised advantages."""

    updates: int
    trials_per_update: int
    epochs: int
    minibatches: int
    learning_rate: float
    clip: float
    entropy: float
    discount: float
    trace_decay: float


class TrialBatch(Protocol):
    """N problems on their way."""

    def observed(self) -> NDArray[np.float32]:
        """(N, observation_size)."""
        ...

    def learned_from(self, action: NDArray[Any]) -> NDArray[np.float64]:
        """Do `action` (N, ...); the rewards (N,) that an agent learns from."""
        ...


class Problems(Protocol):
    """A distribution of problems, in each of which a trial has `steps` steps."""

    @property
    def steps(self) -> int: ...

    def begin(self, count: int, seed: int) -> TrialBatch: ...


class RecurrentAgent(Protocol):
    """A module; see `reinforcement.agent`."""

    family: Any
    value_scale: float

    def __call__(self, seen: Tensor, memory: Tensor | None = None) -> tuple[Distribution, Tensor, Tensor]: ...


class Rollout(NamedTuple):
    """T steps of N trials; all but `seen` (T, N, observation_size) and `action` (T, N, ...) are (T, N)."""

    seen: Tensor
    action: Tensor
    log_probability: Tensor
    advantage: Tensor
    target: Tensor
    reward: Tensor


@torch.no_grad()
def roll_out(agent: RecurrentAgent, count: int, seed: int, discount: float, trace_decay: float) -> Rollout:
    """Play `count` new trials with what the agent draws."""
    trials, generator = agent.family.begin(count, seed), torch.Generator().manual_seed(seed)
    memory, steps = None, []
    for _ in range(agent.family.steps):
        seen = torch.from_numpy(trials.observed())
        drawn_from, value, memory = agent(seen[None], memory)
        action = drawn_from.sample(generator)
        reward = torch.from_numpy(trials.learned_from(action[0].numpy())).float()
        steps.append((seen, action[0], drawn_from.log_probability(action)[0], value[0], reward))
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


def loss(agent: RecurrentAgent, part: Rollout, clip: float, entropy_weight: float) -> Tensor:
    """Clipped surrogate, squared error of values in their unit, and the entropy that is wanted."""
    drawn_from, value, _ = agent(part.seen)
    ratio = (drawn_from.log_probability(part.action) - part.log_probability).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    surrogate = torch.minimum(ratio * part.advantage, clipped * part.advantage).mean()
    error = ((value - part.target) / agent.value_scale).square().mean()
    return error - surrogate - entropy_weight * drawn_from.entropy().mean()


AgentType = TypeVar("AgentType", bound=nn.Module)


class AgentTraining(Generic[AgentType]):
    """PPO of the agent that `build` gives that can be stopped after any update and goes on to the same bits."""

    def __init__(self, build: Callable[[], AgentType], settings: Ppo, seed: int) -> None:
        self.settings, self.seed = settings, seed
        with seeded(seed):
            self.agent = build()
        self.optimiser = torch.optim.Adam(self.agent.parameters(), settings.learning_rate, eps=1e-5)
        self.skipped, self.skipped_in_a_row = 0, 0
        self.history: list[dict[str, float]] = []

    def update(self) -> None:
        """New trials, and a few passes over them; rate and entropy fall to 0 in the second half of the training."""
        settings, done = self.settings, len(self.history)
        share = min(1.0, 2 - 2 * done / settings.updates)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * share
        seed = 1_000_003 * (self.seed + 1) + done
        rollout = roll_out(self.agent, settings.trials_per_update, seed, settings.discount, settings.trace_decay)
        shuffle = torch.Generator().manual_seed(seed)
        advantage = rollout.advantage
        rollout = rollout._replace(advantage=(advantage - advantage.mean()) / (advantage.std() + 1e-8))
        for _ in range(settings.epochs):
            for chosen in torch.randperm(settings.trials_per_update, generator=shuffle).chunk(settings.minibatches):
                self._step(Rollout(*(column[:, chosen] for column in rollout)), settings.entropy * share)
        self.history.append(
            {"steps": (done + 1) * rollout.reward.numel(), "reward": rollout.reward.sum(0).mean().item()}
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
            "skipped": [self.skipped, self.skipped_in_a_row],
            "history": self.history,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.agent.load_state_dict(state["agent"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = state["history"]
        self.skipped, self.skipped_in_a_row = state["skipped"]
