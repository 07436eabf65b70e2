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
    """(outer loss, gradient of every learned meta-parameter) of one task; `step_weights` has one weight per inner step."""

    def __call__(
        self,
        learner: Learner,
        rule: UpdateRule,
        meta_parameters: Parameters,
        task: TaskTensors,
        step_weights: Sequence[float],
        differentiate: Differentiate,
    ) -> tuple[Tensor, Parameters]: ...


def through_the_inner_loop(
    learner: Learner,
    rule: UpdateRule,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
    second_order: bool,
) -> tuple[Tensor, Parameters]:
    """Gradient of the weighted outer losses after each inner step (multi-step loss, MAML++, section 4)."""
    fixed, learned = split_learned(rule, meta_parameters)
    value: Tensor | None = None
    gradients: Parameters = {}
    for judge in learner.judges:
        judged = {name: tensor for name, tensor in learned.items() if name.removeprefix(RULE_PREFIX).startswith(judge)}

        def loss(candidate: Parameters, judge: str = judge) -> Tensor:
            start = {**fixed, **learned, **candidate}
            trajectory = adapt(learner, rule, start, task, len(step_weights), differentiate, second_order)
            return learner.outer_loss(judge, list(trajectory), step_weights, task)

        judge_value, judge_gradients = differentiate(loss, judged, False)
        value = judge_value if value is None else value + judge_value
        for name, gradient in judge_gradients.items():
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
    return value, gradients


def split_learned(rule: UpdateRule, meta_parameters: Parameters) -> tuple[Parameters, Parameters]:
    """Fixed and learned meta-parameters; only a fixed rule's rates are fixed."""
    fixed = {
        name: value for name, value in meta_parameters.items() if name.startswith(RULE_PREFIX) and not rule.learned
    }
    return fixed, {name: value for name, value in meta_parameters.items() if name not in fixed}
