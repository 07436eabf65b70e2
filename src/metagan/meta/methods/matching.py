"""Matching networks (Vinyals et al. 2016, equation 1): cosine attention over the support set, each image by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from metagan.meta.adversary import Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.learners.classifier import FeatureLearner
from metagan.meta.methods.base import Method, body, through_batch_norm

SHARPNESS = 10.0
"""Cosines are multiplied by it before the softmax: between -1 and 1 they could hardly tell twenty classes apart."""


@dataclass
class MatchingLearner(FeatureLearner):
    """The logits are logarithms of the attention that falls on each class."""

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        support = self.embed(parameters, task["support"])
        belongs = (task["support_labels"][:, None] == task["ways"]).to(support.dtype)

        def predict(images: Tensor) -> Tensor:
            weights = attention(*self.in_context(parameters, self.embed(parameters, images), support))
            return (weights @ belongs).clamp_min(1e-8).log()

        return predict

    def in_context(self, parameters: Parameters, queries: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """Features of query and support images as the attention compares them."""
        return queries, support


def attention(queries: Tensor, support: Tensor) -> Tensor:
    """(N, D) and (S, D) -> (N, S), each row a distribution (equation 1 and section 2.1.1)."""
    return (SHARPNESS * F.normalize(queries, dim=1) @ F.normalize(support, dim=1).T).softmax(1)


matching = Method(
    label="matching",
    learner=MatchingLearner,
    network=lambda architecture: body(architecture, 0),
    meta_gradient="maml",
    adapts=None,
    is_transductive=through_batch_norm,
)
