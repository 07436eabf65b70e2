"""A gradient that was estimated, as that of a scalar."""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters


def with_gradient(value: Tensor, estimate: Parameters, parameters: Parameters) -> Tensor:
    """`value` as a scalar whose gradient in those of the parameters that `estimate` names is the estimate."""
    moves = [(estimate[name].detach() * (parameters[name] - parameters[name].detach())).sum() for name in estimate]
    return value.detach() + torch.stack(moves).sum()
