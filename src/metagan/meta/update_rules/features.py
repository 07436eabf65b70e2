"""What small networks that step or set rates see, and how Adam's directions keep a finite slope."""

from __future__ import annotations

import torch
from torch import Tensor

SPANS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Steps, of which a network sees about how many are done."""
FLOOR = 1e-4
"""Of the mean square over a tensor: what an element's own is at least, so that a slope through a step stays finite."""
EPSILON = 1e-12


def steps_done(step: int, like: Tensor) -> Tensor:
    """(len(SPANS),) of the type of `like`: for each span whether fewer steps or more are done, from -1 to 1."""
    return torch.tanh(torch.tensor([step / span - 1 for span in SPANS], dtype=like.dtype, device=like.device))


def inverse_root(square: Tensor) -> Tensor:
    """1 over the root of averages of squares, each with its floor."""
    return (square + FLOOR * square.mean() + EPSILON).rsqrt()
