"""The contract of a meta-gradient, and the part that MAML and first-order MAML share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


class MetaGradient(Protocol):
    """A scalar of one task whose gradient in the meta-parameters is the task's meta-gradient.

    `step_weights` has the weight of the outer loss after each inner step; `burn_in` steps come before them that only
    set the scene (see `burnt_in`).
    """

    def __call__(
        self,
        learner: Learner,
        rule: UpdateRule,
        meta_parameters: Parameters,
        task: TaskTensors,
        step_weights: Sequence[float],
        burn_in: int,
        differentiate: Differentiate,
    ) -> Tensor: ...


def through_the_inner_loop(
    learner: Learner,
    rule: UpdateRule,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    burn_in: int,
    differentiate: Differentiate,
    second_order: bool,
) -> Tensor:
    """Weighted outer losses after each inner step (multi-step loss, MAML++, section 4), each for those it judges."""
    total = task["support"].new_zeros(())
    for judge in learner.judges:
        judged = {
            name: value if name.removeprefix(RULE_PREFIX).startswith(judge) else value.detach()
            for name, value in meta_parameters.items()
        }
        start = burnt_in(learner, rule, judged, task, burn_in, differentiate)
        trajectory = adapt(
            learner, rule, judged, task, len(step_weights), differentiate, second_order, start, first_step=burn_in
        )
        total = total + learner.outer_loss(judge, list(trajectory), step_weights, task)
    return total


def burnt_in(
    learner: Learner,
    rule: UpdateRule,
    meta_parameters: Parameters,
    task: TaskTensors,
    steps: int,
    differentiate: Differentiate,
) -> Parameters:
    """The meta-parameters moved by `steps` inner steps whose way counts as a constant.

    A window of a long adaptation can so be trained at the cost of a short one; the gradient passes the way unchanged,
    as in first-order MAML.
    """
    if not steps:
        return meta_parameters
    constant = {name: value.detach() for name, value in meta_parameters.items()}
    *_, moved = adapt(learner, rule, constant, task, steps, differentiate, create_graph=False)
    return {
        name: value + (moved[name] - value).detach() if name in moved else value
        for name, value in meta_parameters.items()
    }
