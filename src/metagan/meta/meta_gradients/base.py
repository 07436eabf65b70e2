"""The contract of a meta-gradient, and the part that MAML and first-order MAML share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules import RULE_PREFIX, Rules
from metagan.meta.update_rules.binding import judged_alone


class MetaGradient(Protocol):
    """A scalar of one task whose gradient in the meta-parameters is the task's meta-gradient.

    `step_weights` has the weight of the outer loss after each inner step.
    """

    def __call__(
        self,
        learner: Learner,
        rules: Rules,
        meta_parameters: Parameters,
        task: TaskTensors,
        step_weights: Sequence[float],
        differentiate: Differentiate,
    ) -> Tensor: ...


def through_the_inner_loop(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
    second_order: bool,
) -> Tensor:
    """Weighted outer losses after each inner step (multi-step loss, MAML++, section 4), each for those it judges."""
    total = task["support"].new_zeros(())
    for judge in learner.judges:
        start, seen = meta_parameters, rules
        if judge:
            judged = (f"{judge}.", RULE_PREFIX)
            start = {name: value if name.startswith(judged) else value.detach() for name, value in start.items()}
            seen = judged_alone(rules, judge)
        steps, from_start = len(step_weights), learner.start_weight > 0
        trajectory = [
            adapted.parameters
            for adapted in adapt(learner, seen, start, task, steps, differentiate, second_order, from_start)
        ]
        weights = [learner.start_weight, *step_weights] if from_start else step_weights
        total = total + learner.outer_loss(judge, trajectory, weights, task)
    return total
