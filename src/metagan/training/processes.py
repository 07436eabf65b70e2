"""Processes that share one training: each works on its part of every batch, and the gradients are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
import torch
from torch import Tensor

WHOLE = slice(None)


def own_share(trainer: L.Trainer) -> slice:
    """The items of a batch that are this process's; all shares are equally long."""
    return slice(trainer.global_rank, None, trainer.world_size)


def mean_over_processes(trainer: L.Trainer, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean of each tensor over all processes, by one message.

    Lightning averages what `backward` leaves behind, not what `torch.autograd.grad` returns.
    """
    if trainer.world_size == 1:
        return list(tensors)
    flat = trainer.strategy.reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
