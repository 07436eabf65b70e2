"""Truncated unrolls: gradients through a few inner steps at a time (Andrychowicz et al. 2016, arXiv 1606.04474)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from metagan.meta.adaptation import Adapted, begin, inner_steps
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules import Rules


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
    """Weighted outer losses after each inner step; gradients pass through at most `truncation` steps."""
    at, total = begin(learner, rules, meta_parameters, task), task["support"].new_zeros(())
    for steps in blocks(len(step_weights), truncation):
        trajectory = list(inner_steps(learner, rules, meta_parameters, task, at, steps, differentiate, True))
        weights = step_weights[steps.start : steps.stop]
        total = total + learner.outer_loss("", [adapted.parameters for adapted in trajectory], weights, task)
        at = Adapted(*({name: value.detach() for name, value in part.items()} for part in trajectory[-1]))
    return total
