"""The few-shot classifier as a learner: one player, cross-entropy inside and outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors

PREFIX = "classifier."


@dataclass
class ClassifierLearner:
    """Tasks hold `support` (S, C, H, W), `support_labels` (S,), `query` (Q, C, H, W) and `query_labels` (Q,).

    `network` maps images to logits and needs no buffers; its parameters are named `classifier.*`.
    """

    network: nn.Module

    players = ("classifier",)
    judges = ("",)

    def classify(self, parameters: Parameters, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, n_way) logits."""
        own = {name.removeprefix(PREFIX): value for name, value in parameters.items() if name.startswith(PREFIX)}
        return functional_call(self.network, own, (images,))

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        return F.cross_entropy(self.classify(parameters, task["support"]), task["support_labels"])

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        losses = [
            weight * F.cross_entropy(self.classify(parameters, task["query"]), task["query_labels"])
            for weight, parameters in zip(weights, trajectory, strict=True)
            if weight
        ]
        return torch.stack(losses).sum()
