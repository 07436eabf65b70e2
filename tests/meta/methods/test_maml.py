"""MAML on its paper's toy, sinusoids (Finn et al. 2017, section 5.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule

RATE, POINTS, TASKS_PER_STEP, META_STEPS = 0.01, 10, 8, 150


@dataclass
class Regression(Learner):
    """Mean squared error of two hidden layers of 40 units."""

    network: nn.Module
    players: tuple[str, ...] = ("network",)
    judges: tuple[str, ...] = ("",)

    def error(self, parameters: Parameters, points: Tensor) -> Tensor:
        own = {name.removeprefix("network."): parameters[name] for name in parameters if name.startswith("network.")}
        return F.mse_loss(functional_call(self.network, own, points[:, :1]), points[:, 1:])

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        return self.error(parameters, task["support"])

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        return self.error(trajectory[-1], task["query"])


def sinusoids(number: int, generator: torch.Generator) -> TaskTensors:
    """Amplitudes in [0.1, 5], phases in [0, pi], points x in [-5, 5]: (number, POINTS, 2) of x and y."""
    amplitude = 0.1 + 4.9 * torch.rand(number, 1, 1, generator=generator)
    phase = math.pi * torch.rand(number, 1, 1, generator=generator)
    tasks = {}
    for part in ("support", "query"):
        x = torch.rand(number, POINTS, 1, generator=generator) * 10 - 5
        tasks[part] = torch.cat([x, amplitude * torch.sin(x - phase)], 2)
    return tasks


def rules_of(parameters: Parameters) -> Rules:
    return shared_rule(UPDATE_RULES["sgd"], [name for name in parameters if name.startswith("network.")])


def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
    return META_GRADIENTS["maml"](learner, rules_of(parameters), parameters, task, [1.0], differentiate)


def error_after_one_step(learner: Regression, parameters: Parameters, tasks: TaskTensors) -> tuple[float, float]:
    """Mean error on the query points of new tasks, before the step and after it."""
    before = after = 0.0
    for support, query in zip(tasks["support"], tasks["query"], strict=True):
        task = {"support": support, "query": query}
        ((adapted, _),) = adapt(learner, rules_of(parameters), parameters, task, 1, by_autograd, False)
        before += learner.error(parameters, query).item() / len(tasks["query"])
        after += learner.error(adapted, query).item() / len(tasks["query"])
    return before, after


@pytest.fixture
def learner() -> Regression:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
        return Regression(nn.Sequential(*layers))


def test_one_step_from_what_was_learned_beats_one_step_from_the_initialisation(learner: Regression) -> None:
    start = {f"network.{name}": value.detach().clone() for name, value in learner.network.named_parameters()}
    rates = initialised(rules_of(start), start, dict.fromkeys(start, RATE), 1)
    learned = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimiser = torch.optim.Adam(learned.values(), 0.01)
    task_map, generator = TaskMap(learner, "vmap", TASKS_PER_STEP), torch.Generator().manual_seed(0)
    for _ in range(META_STEPS):
        tasks = sinusoids(TASKS_PER_STEP, generator)
        _, gradients = task_map.mean_gradient(loss, {**learned, **rates}, tasks)
        for name, value in learned.items():
            value.grad = gradients[name]
        optimiser.step()

    unseen = sinusoids(50, torch.Generator().manual_seed(1))
    _, from_start = error_after_one_step(learner, {**start, **rates}, unseen)
    before, after = error_after_one_step(learner, {**learned, **rates}, unseen)
    assert after < 0.7 * from_start
    assert after < 0.8 * before  # it is the step that does it, not a good mean of all sinusoids
