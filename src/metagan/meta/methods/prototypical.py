"""Prototypical networks (Snell et al. 2017, equations 1 and 2): squared Euclidean distance to the class means."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from metagan.meta.adversary import Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.learners.classifier import FeatureLearner
from metagan.meta.methods.base import Method, body, through_batch_norm


@dataclass
class PrototypicalLearner(FeatureLearner):
    """The logits are negative squared distances of features."""

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        prototypes = class_means(self.embed(parameters, task["support"]), task["support_labels"], task["ways"])
        return lambda images: -squared_distances(self.embed(parameters, images), prototypes)


def class_means(features: Tensor, labels: Tensor, ways: Tensor) -> Tensor:
    """(S, D) features, (S,) labels and all labels (n_way,) -> (n_way, D)."""
    belongs = (labels == ways[:, None]).to(features.dtype)
    return (belongs / belongs.sum(1, keepdim=True)) @ features


def squared_distances(features: Tensor, prototypes: Tensor) -> Tensor:
    """(N, D) and (n_way, D) -> (N, n_way)."""
    return (features[:, None] - prototypes).square().sum(2)


prototypical = Method(
    label="prototypical",
    learner=PrototypicalLearner,
    network=lambda architecture: body(architecture, 0),
    meta_gradient="maml",
    adapts=None,
    is_transductive=through_batch_norm,
)
