"""Truncated unrolls: gradients through a few inner steps at a time (Andrychowicz et al. 2016, arXiv 1606.04474)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metagan.meta.adaptation import Adapted, begin, inner_steps
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.rule_training.estimate import with_gradient
from metagan.meta.update_rules import Rules, learned_names


def blocks(steps: int, truncation: int) -> list[range]:
    """The numbers of `steps` steps, `truncation` at a time."""
    return [range(first, min(first + truncation, steps)) for first in range(0, steps, truncation)]


def unroll(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
    truncation: int,
) -> Tensor:
    """Weighted outer losses after each inner step; gradients, in the learned rules alone, pass through at most
    `truncation` steps.

    The graph of a block goes before the next is begun, so that a long unroll takes the memory of a short one, and the
    time of a further look without gradients.
    """
    constant = {name: value.detach() for name, value in meta_parameters.items()}
    learned = {name: constant[name] for name in learned_names(rules, meta_parameters)}
    at, total = begin(learner, rules, constant, task), task["support"].new_zeros(())
    estimate = {name: torch.zeros_like(value) for name, value in learned.items()}
    for steps in blocks(len(step_weights), truncation):

        def loss(own: Parameters, at: Adapted = at, steps: range = steps) -> Tensor:
            given = {**constant, **own}
            trajectory = list(inner_steps(learner, rules, given, task, at, steps, differentiate, True))
            weights = step_weights[steps.start : steps.stop]
            return learner.outer_loss("", [place.parameters for place in trajectory], weights, task)

        value, gradients = differentiate(loss, learned, False)
        total, estimate = total + value, {name: estimate[name] + gradients[name] for name in learned}
        *_, at = inner_steps(learner, rules, constant, task, at, steps, differentiate, False)
    return with_gradient(total, estimate, meta_parameters)
