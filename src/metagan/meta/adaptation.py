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
    start = begin(learner, rules, meta_parameters, task)
    if from_start:
        yield start
    yield from inner_steps(learner, rules, meta_parameters, task, start, range(steps), differentiate, create_graph)


def begin(learner: Learner, rules: Rules, meta_parameters: Parameters, task: TaskTensors) -> Adapted:
    """Where the inner steps on a task begin."""
    parameters = learner.start(without_rules(meta_parameters), task)
    state: State = {}
    for bound in each_once(rules):
        values = {name: parameters[name] for name in bound.tensors}
        state |= bound.named(bound.rule.begin(bound.own(meta_parameters), values))
    return Adapted(parameters, state)


def inner_steps(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    at: Adapted,
    steps: range,
    differentiate: Differentiate,
    create_graph: bool,
) -> Iterator[Adapted]:
    """Yield where each of the inner steps of these numbers leads from `at`."""
    parameters, state = at
    own = {bound.prefix: bound.own(meta_parameters) for bound in each_once(rules)}
    tensors = {
        player: [name for name in parameters if name in bound.tensors and name.startswith(f"{player}.")]
        for player, bound in rules.items()
    }
    order, watched = turns(learner, rules), any(bound.rule.observes for bound in rules.values())
    for step in steps:
        observed = {"observed": learner.observe(parameters, task, step).detach()} if watched else {}
        begun: set[str] = set()
        for player, turn in order:
            bound = rules[player]
            values = {name: parameters[name] for name in tensors[player]}

            def loss(candidate: Parameters, player: str = player, step: int = step) -> Tensor:
                return learner.inner_loss(player, {**parameters, **candidate}, task, step)  # noqa: B023

            value, gradients = differentiate(loss, values, create_graph)
            signals = Signals(player, step, value, gradients, turn, bound.prefix not in begun, **observed)
            begun.add(bound.prefix)
            values, remembered = bound.rule.step(own[bound.prefix], bound.own(state), values, gradients, signals)
            parameters, state = {**parameters, **values}, {**state, **bound.named(remembered)}
        yield Adapted(parameters, state)


def turns(learner: Learner, rules: Rules) -> list[tuple[str, int]]:
    """Who steps in an inner step, one after the other, and how often before in it."""
    adapting = [player for player in learner.players if player in rules]
    return [(player, turn) for player in adapting for turn in range(dict(rules[player].rule.most_steps).get(player, 1))]
