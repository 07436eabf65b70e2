"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796) of the meta-parameters.

After each segment a quadratic penalty for leaving them is added, weighed by the mean square of the meta-gradient of
single tasks: the diagonal of the empirical Fisher information, were the outer loss a log-likelihood.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.parameters import Continual
from metagan.training.continual.base import Kind, Memory, Segment

FISHER, ANCHOR = "fisher", "anchor"


def _remember(memory: Memory, segment: Segment) -> Memory:
    count = min(segment.settings.ewc.tasks, len(segment.indices))
    squares = {name: torch.zeros_like(value) for name, value in segment.meta_parameters.items()}
    for index in segment.generator.permutation(segment.indices)[:count]:
        for name, gradient in segment.gradient(int(index)).items():
            squares[name] += gradient.square() / count
    anchors = {f"{ANCHOR}/{segment.number}/{name}": value.clone() for name, value in segment.meta_parameters.items()}
    return {**memory, **anchors, **{f"{FISHER}/{segment.number}/{name}": value for name, value in squares.items()}}


def _penalty(memory: Memory, parameters: Parameters, settings: Continual) -> Tensor:
    terms = [
        (memory[key.replace(ANCHOR, FISHER, 1)] * (parameters[key.split("/", 2)[2]] - anchor).square()).sum()
        for key, anchor in memory.items()
        if key.startswith(ANCHOR)
    ]
    return settings.ewc.weight / 2 * torch.stack(terms).sum()


ewc = Kind(_remember, _penalty)
