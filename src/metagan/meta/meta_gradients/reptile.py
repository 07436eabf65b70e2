"""Reptile (Nichol et al. 2018, algorithm 2): the gradient is the way from the adapted parameters back to the start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.meta_gradients.base import split_learned
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


def reptile(
    learner: Learner,
    rule: UpdateRule,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
) -> tuple[Tensor, Parameters]:
    """A rule's own meta-parameters get a gradient of zero; the value is the mean squared way."""
    adapted = meta_parameters
    for parameters in adapt(learner, rule, meta_parameters, task, len(step_weights), differentiate, create_graph=False):
        adapted = parameters
    _, learned = split_learned(rule, meta_parameters)
    gradients = {
        name: torch.zeros_like(value) if name.startswith(RULE_PREFIX) else (value - adapted[name]).detach()
        for name, value in learned.items()
    }
    moved = torch.cat([gradient.flatten() for gradient in gradients.values()])
    return moved.square().mean(), gradients
