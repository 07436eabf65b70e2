"""A step of an LSTM on weights by name, by hand because torch cannot map its own over tasks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters


def lstm_cell(weights: Parameters, layer: int, seen: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The step of torch's `LSTMCell` with `input.<layer>`, `recurrent.<layer>` and `bias.<layer>`."""
    gates = seen @ weights[f"input.{layer}"].T + hidden @ weights[f"recurrent.{layer}"].T + weights[f"bias.{layer}"]
    let_in, keep, new, let_out = gates.chunk(4, 1)
    cell = keep.sigmoid() * cell + let_in.sigmoid() * new.tanh()
    return let_out.sigmoid() * cell.tanh(), cell


def uniform(generator: torch.Generator, hidden: int, *shape: int) -> Tensor:
    """First weights, as torch draws those of an LSTM with so many units."""
    return (torch.rand(*shape, generator=generator) * 2 - 1) / math.sqrt(hidden)
