"""MAML with policy gradients (arXiv 1703.03400, algorithm 3) for a point in the plane: no memory, a few gradient steps.

No kept library has it: learn2learn and cherry, which had, have not been released for years.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.reinforcement.distributions import Gaussian
from metagan.reinforcement.navigation import Navigation, Walks
from metagan.reinforcement.ppo import advantages
from metagan.reinforcement.problems import Numbers

Parameters = dict[str, Tensor]


@dataclass(frozen=True)
class PolicyGradient:
    """Names as in the paper; to each goal, `walks` walks come before and after each inner step."""

    updates: int
    goals_per_update: int
    walks: int
    hidden_size: int
    inner_learning_rate: float
    learning_rate: float
    discount: float


class Walked(NamedTuple):
    """T steps of n walks to each of B goals."""

    seen: Tensor
    """(B, T * n, 2): where one was."""
    action: Tensor
    """(B, T * n, 2)"""
    reward: Tensor
    """(B, T, n)"""
    places: Numbers
    """(T, B, n, 2): `seen` once more."""


def initialised(hidden_size: int, generator: torch.Generator) -> Parameters:
    """Two hidden layers; a last one that hardly moves, and a deviation of the largest step, so that all is tried."""
    sizes = (2, hidden_size, hidden_size, 2)
    parameters = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        scale = 0.01 if layer == 2 else 1.0
        parameters[f"weight.{layer}"] = scale * torch.randn(inputs, outputs, generator=generator) / inputs**0.5
        parameters[f"bias.{layer}"] = torch.zeros(outputs)
    return parameters | {"log_deviation": torch.zeros(2)}


def policy(parameters: Parameters, seen: Tensor) -> Gaussian:
    """Moves by parameters (B, ...) of each goal, from where one is (B, n, 2)."""
    hidden = 2 * seen
    for layer in range(3):
        hidden = torch.baddbmm(parameters[f"bias.{layer}"][:, None], hidden, parameters[f"weight.{layer}"])
        if layer < 2:
            hidden = hidden.tanh()
    return Gaussian(hidden, parameters["log_deviation"][:, None])


@torch.no_grad()
def walk(parameters: Parameters, horizon: int, goals: Numbers, count: int, generator: torch.Generator | None) -> Walked:
    """`count` walks of `horizon` steps to each of the goals (B, 2); without a generator by the likeliest moves."""
    walks = Walks(Navigation(horizon, 1), goals.repeat(count, axis=0))
    seen, actions, rewards = [], [], []
    for _ in range(horizon):
        seen.append(torch.from_numpy(walks.position).float().unflatten(0, (len(goals), count)))
        actions.append(policy(parameters, seen[-1]).sample(generator))
        reward = walks.step(actions[-1].flatten(0, 1).numpy())
        rewards.append(torch.from_numpy(reward).float().unflatten(0, (len(goals), count)))
    places = torch.stack(seen).numpy()
    return Walked(torch.cat(seen, 1), torch.cat(actions, 1), torch.stack(rewards, 1), places)


def surprises(reward: Tensor, discount: float) -> Tensor:
    """What is still to come of rewards (B, T, n), discounted, less its mean over the walks to the same goal at the same
    time."""
    by_time = reward.transpose(0, 1)
    to_come = advantages(by_time, torch.zeros_like(by_time), discount, 1.0).transpose(0, 1)
    return to_come - to_come.mean(2, keepdim=True)


def unit_of(walked: Walked, discount: float) -> Tensor:
    """The deviation of surprises, a number."""
    return surprises(walked.reward, discount).std() + 1e-8


def loss(parameters: Parameters, walked: Walked, discount: float, unit: Tensor) -> Tensor:
    """(B,): minus the surrogate whose gradient is the policy gradient, of rewards in a unit."""
    logs = policy(parameters, walked.seen).log_probability(walked.action)
    return -(logs * surprises(walked.reward, discount).flatten(1) / unit).mean(1)


def adapted(
    parameters: Parameters, walked: Walked, rate: float, discount: float, unit: Tensor, create_graph: bool
) -> Parameters:
    """Parameters (B, ...) after a gradient step for each goal on its own walks."""
    with torch.enable_grad():
        if not create_graph:
            parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        total = loss(parameters, walked, discount, unit).sum()
        gradients = torch.autograd.grad(total, list(parameters.values()), create_graph=create_graph)
    moved = {
        name: value - rate * gradient for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
    }
    return moved if create_graph else {name: value.detach() for name, value in moved.items()}


def of_each(parameters: Parameters, count: int) -> Parameters:
    """The same parameters for each of `count` goals."""
    return {name: value.expand(count, *value.shape) for name, value in parameters.items()}


class PolicyTraining:
    """Meta-training through one inner step; can be stopped after any update, and goes on to the same bits."""

    def __init__(self, family: Navigation, settings: PolicyGradient, seed: int) -> None:
        self.family, self.settings, self.seed = family, settings, seed
        first = initialised(settings.hidden_size, torch.Generator().manual_seed(seed))
        self.parameters = {name: value.requires_grad_() for name, value in first.items()}
        self.optimiser = torch.optim.Adam(self.parameters.values(), settings.learning_rate)
        self.history: list[dict[str, float]] = []

    def update(self) -> None:
        """Walks, an inner step, other walks, and a step on what those say of the first parameters."""
        own, done = self.settings, len(self.history)
        seed = 1_000_003 * (self.seed + 1) + done
        generator = torch.Generator().manual_seed(seed)
        goals = self.family.goals(own.goals_per_update, seed)
        start = of_each(self.parameters, len(goals))
        before = walk(start, self.family.horizon, goals, own.walks, generator)
        unit = unit_of(before, own.discount)
        moved = adapted(start, before, own.inner_learning_rate, own.discount, unit, create_graph=True)
        after = walk(moved, self.family.horizon, goals, own.walks, generator)
        self.optimiser.zero_grad()
        loss(moved, after, own.discount, unit_of(after, own.discount)).mean().backward()
        for group in self.optimiser.param_groups:
            group["lr"] = own.learning_rate * (1 - done / own.updates)
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimiser.step()
        steps = 2 * (done + 1) * before.reward.numel()
        self.history.append({"steps": steps, "before": _of_a_walk(before), "reward": _of_a_walk(after)})

    def state(self) -> dict[str, Any]:
        parameters = {name: value.detach() for name, value in self.parameters.items()}
        return {"parameters": parameters, "optimiser": self.optimiser.state_dict(), "history": self.history}

    def load(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(state["parameters"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.history = state["history"]


def _of_a_walk(walked: Walked) -> float:
    return walked.reward.sum(1).mean().item()


class Adaptation(NamedTuple):
    """What a policy does after 0, 1, ... gradient steps."""

    rewards: Numbers
    """(S + 1, N) totals of a walk, means over the walks to a goal."""
    places: Numbers
    """(S + 1, T, N, 2): where the first of them was."""


def adaptation(
    parameters: Parameters, horizon: int, goals: Numbers, settings: PolicyGradient, steps: int, seed: int
) -> Adaptation:
    """`settings.walks` walks to each of the goals (N, 2), a gradient step, and so on; after the first step half the
    rate, as in the paper's section A.2. The unit of rewards stays that of the first walks: in units of their own a
    second step overshot where little was left to gain."""
    generator, current = torch.Generator().manual_seed(seed), of_each(parameters, len(goals))
    rewards, places, unit = [], [], None
    for step in range(steps + 1):
        tried = walk(current, horizon, goals, settings.walks, generator)
        rewards.append(tried.reward.sum(1).mean(1).double().numpy())
        places.append(tried.places[:, :, 0])
        if step < steps:
            unit = unit_of(tried, settings.discount) if unit is None else unit
            rate = settings.inner_learning_rate / (1 if step == 0 else 2)
            current = adapted(current, tried, rate, settings.discount, unit, create_graph=False)
    return Adaptation(np.stack(rewards), np.stack(places))
