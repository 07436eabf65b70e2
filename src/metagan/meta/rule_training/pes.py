"""Persistent evolution strategies (Vicol, Metz and Sohl-Dickstein 2021, arXiv 2112.13835, algorithm 2).

No gradient passes through the inner steps, and none is cut off: an antithetic pair of trajectories is disturbed anew
every few steps, and what a disturbance does to all later losses counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metagan.meta.adaptation import begin, inner_steps
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.rule_training.estimate import with_gradient
from metagan.meta.rule_training.unroll import blocks
from metagan.meta.update_rules import Rules, learned_names

PERTURBATIONS = "perturbations"


def pes(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
    truncation: int,
    deviation: float,
) -> Tensor:
    """The mean loss of the pair; its gradient is the estimate, unbiased for the losses smoothed by `deviation`.

    The task holds `perturbations` (blocks, P): standard normal, for the P numbers that learned rules have.
    """
    names = learned_names(rules, meta_parameters)
    constant = {name: value.detach() for name, value in meta_parameters.items()}
    sizes = [constant[name].numel() for name in names]

    def by_name(numbers: Tensor) -> Parameters:
        parts = zip(names, numbers.split(sizes), strict=True)
        return {name: part.view_as(constant[name]) for name, part in parts}

    places = [begin(learner, rules, constant, task)] * 2
    since_start = torch.zeros_like(task[PERTURBATIONS][0])
    estimate, total = torch.zeros_like(since_start), task["support"].new_zeros(())
    for block, perturbation in zip(blocks(len(step_weights), truncation), task[PERTURBATIONS], strict=True):
        since_start = since_start + perturbation
        losses = []
        for index, sign in enumerate((1, -1)):
            moves = by_name(sign * deviation * perturbation)
            disturbed = {**constant, **{name: constant[name] + move for name, move in moves.items()}}
            trajectory = list(inner_steps(learner, rules, disturbed, task, places[index], block, differentiate, False))
            places[index] = trajectory[-1]
            weights = step_weights[block.start : block.stop]
            losses.append(learner.outer_loss("", [each.parameters for each in trajectory], weights, task))
        estimate = estimate + since_start * (losses[0] - losses[1]) / (2 * deviation)
        total = total + (losses[0] + losses[1]) / 2
    return with_gradient(total, by_name(estimate), meta_parameters)
