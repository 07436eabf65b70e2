"""The inner loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules import Rules, Signals, State, without_rules
from metagan.meta.update_rules.binding import each_once


class Adapted(NamedTuple):
    """Where an inner step leads: the parameters, and what the rules remember."""

    parameters: Parameters
    state: State


def adapt(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    steps: int,
    differentiate: Differentiate,
    create_graph: bool,
    from_start: bool = False,
) -> Iterator[Adapted]:
    """Yield where each of `steps` inner steps on the task's support set leads; with `from_start` also where they begin.

    A player's step changes those of its tensors that its rule adapts; all others stay as they are.
    """
    parameters = learner.start(without_rules(meta_parameters), task)
    own = {bound.prefix: bound.own(meta_parameters) for bound in each_once(rules)}
    tensors = {
        player: [name for name in parameters if name in bound.tensors and name.startswith(f"{player}.")]
        for player, bound in rules.items()
    }
    state: State = {}
    for bound in each_once(rules):
        state |= bound.named(bound.rule.begin(own[bound.prefix], {name: parameters[name] for name in bound.tensors}))
    if from_start:
        yield Adapted(parameters, state)
    for step in range(steps):
        for player in learner.players:
            if player not in rules:
                continue
            bound = rules[player]
            values = {name: parameters[name] for name in tensors[player]}

            def loss(candidate: Parameters, player: str = player, step: int = step) -> Tensor:
                return learner.inner_loss(player, {**parameters, **candidate}, task, step)  # noqa: B023

            value, gradients = differentiate(loss, values, create_graph)
            signals = Signals(player, step, value, gradients)
            values, remembered = bound.rule.step(own[bound.prefix], bound.own(state), values, gradients, signals)
            parameters, state = {**parameters, **values}, {**state, **bound.named(remembered)}
        yield Adapted(parameters, state)
