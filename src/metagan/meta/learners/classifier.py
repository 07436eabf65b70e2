"""The few-shot classifier as a learner: cross-entropy inside and outside, under attack if there is an adversary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metagan.meta.adversary import Adversary, Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.nets.conv4 import Statistics

PREFIX = "classifier."
STATISTICS = "statistics."
NORMS = ".norms."


@dataclass
class ClassifierLearner(Learner):
    """A network with a head for `n_way` classes, adapted by gradient steps on the support set.

    Tasks hold `support` (S, C, H, W), `support_labels` (S,), `query` (Q, C, H, W), `query_labels` (Q,), and for an
    adversary with a random start `support_start` and `query_start` of the images' shapes. The network's parameters are
    named `classifier.*`. Transductive BatchNorm takes the statistics of the query images that are asked about
    together; inductive BatchNorm those of the support set. An inner step sees about `shots` support images of each
    class, or all.
    """

    network: nn.Module
    transductive: bool = True
    adversary: Adversary | None = None
    shots: int | None = None

    players: ClassVar[tuple[str, ...]] = ("classifier",)
    judges = ("",)

    def apply(
        self,
        parameters: Parameters,
        images: Tensor,
        statistics: Statistics | None = None,
        found: Statistics | None = None,
    ) -> Tensor:
        """What the network says of images."""
        return functional_call(self.network, own_parameters(parameters), (images, statistics, found))

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        """Query images (N, C, H, W) -> logits (N, n_way), by parameters that are adapted to the task's support set."""
        found: Statistics | None = None if self.transductive else []
        if found is not None:
            self.apply(parameters, task["support"], found=found)
        return lambda images: self.apply(parameters, images, found)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        parameters, task = at_step(parameters, step), batch_of_support(task, self.shots, step)
        support, labels = task["support"], task["support_labels"]
        if self.adversary is None or not self.adversary.on_support:
            return F.cross_entropy(self.apply(parameters, support), labels)
        constant = constants(parameters)
        return self.adversary.robust_loss(
            lambda images: self.apply(parameters, images),
            lambda images: self.apply(constant, images),
            support,
            labels,
            task["support_start"],
        )

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        losses = [
            weight * self.query_loss(at_step(parameters, steps), task)
            for steps, (weight, parameters) in enumerate(zip(weights, trajectory, strict=True), start=1)
            if weight
        ]
        return torch.stack(losses).sum()

    def query_loss(self, parameters: Parameters, task: TaskTensors) -> Tensor:
        """The loss of adapted parameters on the query set."""
        predict, query, labels = self.predictor(parameters, task), task["query"], task["query_labels"]
        if self.adversary is None or not self.adversary.on_query:
            return F.cross_entropy(predict(query), labels)
        constant_predict = self.predictor(constants(parameters), task)
        return self.adversary.robust_loss(predict, constant_predict, query, labels, task["query_start"])


@dataclass
class FeatureLearner(ClassifierLearner):
    """A classifier whose network was trained on many classes at once, and stays as it is on a new task.

    Inductive BatchNorm takes the statistics of the training images, which `statistics.*` hold once training has
    measured them; while it trains it takes those of the batch.
    """

    players: ClassVar[tuple[str, ...]] = ()

    def embed(self, parameters: Parameters, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, feature_size)."""
        return self.apply(parameters, images, None if self.transductive else known_statistics(parameters))

    def query_loss(self, parameters: Parameters, task: TaskTensors) -> Tensor:
        """With an adversary on the support set, that set is attacked as if it were queries of itself."""
        if self.adversary is None or not self.adversary.on_support:
            return super().query_loss(parameters, task)
        support, labels = task["support"], task["support_labels"]
        predict = self.predictor(constants(parameters), task)
        attacked = self.adversary.attacked(predict, support, labels, task["support_start"])
        loss = super().query_loss(parameters, {**task, "support": attacked})
        if self.adversary.loss == "adversarial":
            return loss
        share = 0.5 if self.adversary.loss == "trades" else self.adversary.weight
        return (1 - share) * super().query_loss(parameters, task) + share * loss


def batch_of_support(task: TaskTensors, shots: int | None, step: int) -> TaskTensors:
    """The task with the support images of one inner step: parts with about `shots` of each class take turns."""
    batches = math.ceil(len(task["support"]) / len(task["ways"]) / shots) if shots else 1
    return {
        name: value[step % batches :: batches] if name.startswith("support") else value for name, value in task.items()
    }


def own_parameters(parameters: Parameters) -> Parameters:
    """The network's parameters, by the names that it knows."""
    return {name.removeprefix(PREFIX): value for name, value in parameters.items() if name.startswith(PREFIX)}


def with_norms_per_step(parameters: Parameters, steps: int) -> Parameters:
    """Scales and shifts of BatchNorm (width,) -> (steps + 1, width): before the first step and after each (MAML++,
    Antoniou et al. 2019, section 4)."""
    return {name: value.expand(steps + 1, -1).clone() if NORMS in name else value for name, value in parameters.items()}


def at_step(parameters: Parameters, steps: int) -> Parameters:
    """The parameters after so many inner steps, with the scales and shifts of that step where each has its own."""
    return {
        name: value[min(steps, len(value) - 1)] if NORMS in name and value.ndim == 2 else value
        for name, value in parameters.items()
    }


def constants(parameters: Parameters) -> Parameters:
    """The same values without gradients."""
    return {name: value.detach() for name, value in parameters.items()}


def known_statistics(parameters: Parameters) -> Statistics | None:
    """The measured statistics of every block, or None before they are measured."""
    blocks = sum(name.startswith(STATISTICS) for name in parameters) // 2
    names = [(f"{STATISTICS}{block}.mean", f"{STATISTICS}{block}.variance") for block in range(blocks)]
    return [(parameters[mean], parameters[variance]) for mean, variance in names] or None
