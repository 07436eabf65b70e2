"""Haze: how much is there where real examples have nothing?"""

from __future__ import annotations

from torch import Tensor


def haze(samples: Tensor, queries: Tensor) -> float:
    """Mean size of samples (T, n, *shape) at the places that are 0 in every query example (T, Q, *shape) of their task;
    0 where there is no such place."""
    empty = (queries == 0).all(dim=1, keepdim=True).expand_as(samples)
    return samples[empty].double().abs().mean().item() if empty.any() else 0.0
