"""Reptile (Nichol et al. 2018, algorithm 2): the gradient is the way from the adapted parameters back to the start."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules import Rules, without_rules


def reptile(
    learner: Learner,
    rules: Rules,
    meta_parameters: Parameters,
    task: TaskTensors,
    step_weights: Sequence[float],
    differentiate: Differentiate,
) -> Tensor:
    """Half the squared way, with the adapted end held constant; of the steps only their number counts."""
    constant = {name: value.detach() for name, value in meta_parameters.items()}
    *_, (adapted, _) = adapt(learner, rules, constant, task, len(step_weights), differentiate, create_graph=False)
    start = learner.start(without_rules(meta_parameters), task)
    ways = [(value - adapted[name].detach()).square().sum() for name, value in start.items()]
    return 0.5 * torch.stack(ways).sum()
