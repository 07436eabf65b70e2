"""Adaptation of many GANs at once, step by step, by rates and numbers of steps that somebody else sets.

A *trial* is several adaptations to one and the same task (arXiv 1611.02779), each from its start; the reward of an
inner step is by how much the distance between samples and held-out images of the task falls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from metagan.meta.adaptation import Adapted, begin, inner_steps
from metagan.meta.differentiation import Parameters, by_functional
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.update_rules import UPDATE_RULES, shared_rule
from metagan.meta.update_rules.controller import play, seen, sizes

INPUTS, ACTIONS = sizes(len(GanLearner.players))
LARGEST_ACTION = 10.0

played = UPDATE_RULES["controller"]._replace(step=play, observes=False)
"""The controller without its network: what it does is in the state before a step."""


@dataclass
class AdaptationTrials:
    """Trials of `count` tasks side by side. `draw_tasks` and `draw_start` are functions of the number of the trial.

    `rates`: the meta-parameters of the controller, of which only the rates count.
    """

    learner: GanLearner
    tensors: tuple[str, ...]
    rates: Parameters
    draw_tasks: Callable[[int], TaskTensors]
    draw_start: Callable[[int], Parameters]
    horizon: int
    adaptations: int

    def __post_init__(self) -> None:
        self.rules = shared_rule(played, self.tensors)
        self.trial = -1

    @property
    def steps(self) -> int:
        """Inner steps of a trial."""
        return self.horizon * self.adaptations

    def reset(self) -> Tensor:
        """Begin the next trial: what is seen of it, (count, INPUTS)."""
        self.trial += 1
        self.step_number = 0
        self.tasks = self.draw_tasks(self.trial)
        self._networks = {**self.draw_start(self.trial), **self.rates}
        self._start()
        return self._look()

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """One inner step by the actions (count, ACTIONS): what is seen then, and the reward (count,)."""
        self._state = {**self._state, "rule.action": actions.clamp(-LARGEST_ACTION, LARGEST_ACTION)}
        number = self.step_number % self.horizon

        def go(parameters: Parameters, state: Parameters, task: TaskTensors) -> tuple[Parameters, Parameters, Tensor]:
            at, steps = Adapted(parameters, state), range(number, number + 1)
            (there,) = inner_steps(self.learner, self.rules, self._networks, task, at, steps, by_functional, False)
            return *there, self._distance(there.parameters, task)

        with torch.no_grad():
            self._parameters, self._state, distance = torch.vmap(go)(self._parameters, self._state, self.tasks)
        reward, self._was = self._was - distance, distance
        self.step_number += 1
        if self.step_number % self.horizon == 0 and self.step_number < self.steps:
            self._start()
        return self._look(), reward

    def _start(self) -> None:
        """Every task at its start, where nothing has been set yet."""

        def first(task: TaskTensors) -> tuple[Parameters, Parameters, Tensor]:
            at = begin(self.learner, self.rules, self._networks, task)
            return *at, self._distance(at.parameters, task)

        with torch.no_grad():
            self._parameters, self._state, self._was = torch.vmap(first)(self.tasks)

    def _look(self) -> Tensor:
        number = self.step_number % self.horizon

        def look(parameters: Parameters, state: Parameters, task: TaskTensors) -> tuple[Tensor, Tensor]:
            observed = self.learner.observe(parameters, task, min(number, self.horizon - 1))
            own = {name.removeprefix("rule."): value for name, value in state.items()}
            return seen(own, number, observed), observed

        with torch.no_grad():
            looked, observed = torch.vmap(look)(self._parameters, self._state, self.tasks)
        self._state = {**self._state, "rule.observed": observed}
        return looked

    def _distance(self, parameters: Parameters, task: TaskTensors) -> Tensor:
        return self.learner.outer_loss("", [parameters], [1.0], task)
