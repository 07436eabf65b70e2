"""Transfer learning: an ordinary classifier of the train classes, with a new head for each task.

The Baseline of Chen et al. 2019 (arXiv 1904.04232, section 3.2): the features stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.meta.adversary import Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.learners.classifier import FeatureLearner, batch_of_support, constants
from metagan.meta.methods.base import Method, features, through_batch_norm
from metagan.nets.conv4 import Statistics


class TwoHeads(nn.Module):
    """One body with a head for a task's classes, which starts at zero, and one for all train classes."""

    def __init__(self, body: nn.Module, feature_size: int, n_way: int, base_classes: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(feature_size, n_way)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.base_head = nn.Linear(feature_size, base_classes)

    def forward(self, images: Tensor, statistics: Statistics | None = None, found: Statistics | None = None) -> Tensor:
        """(N, C, H, W) -> (N, n_way + base_classes): the logits of both heads side by side."""
        features = self.body(images, statistics, found)
        return torch.cat([self.head(features), self.base_head(features)], 1)


@dataclass
class FineTuneLearner(FeatureLearner):
    """Trains on the support and query images of a task alike, by their train classes `support_classes` (S,) and
    `query_classes` (Q,), in one batch, of which the adversary attacks the part that it is told to.

    Meets a new task by inner steps on the new head.
    """

    players = ("classifier",)

    def of_task(self, parameters: Parameters, images: Tensor) -> Tensor:
        """(N, n_way) logits of the new head."""
        return self.embed(parameters, images)[:, : len(parameters["classifier.head.bias"])]

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        return lambda images: self.of_task(parameters, images)

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        task = batch_of_support(task, self.shots, step)
        return F.cross_entropy(self.of_task(parameters, task["support"]), task["support_labels"])

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        parameters = trajectory[-1]
        constant = constants(parameters)
        ways = len(parameters["classifier.head.bias"])
        images = torch.cat([task["support"], task["query"]])
        classes = torch.cat([task["support_classes"], task["query_classes"]])

        if self.adversary is None:
            return F.cross_entropy(self.embed(parameters, images)[:, ways:], classes)
        first = 0 if self.adversary.on_support else len(task["support"])
        last = len(images) if self.adversary.on_query else len(task["support"])

        def predict(own: Parameters) -> Predict:
            """Logits of all images, some of which the adversary has moved."""
            return lambda moved: self.embed(own, torch.cat([images[:first], moved, images[last:]]))[:, ways:]

        start = torch.cat([task["support_start"], task["query_start"]])
        return self.adversary.robust_loss(
            predict(parameters), predict(constant), images[first:last], classes, start[first:last]
        )


fine_tune = Method(
    label="fine-tuned",
    learner=FineTuneLearner,
    network=lambda architecture: TwoHeads(*features(architecture), architecture.n_way, architecture.base_classes),
    meta_gradient="fomaml",
    adapts=r"^head\.",
    is_transductive=through_batch_norm,
)
