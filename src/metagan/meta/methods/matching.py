"""Matching networks (Vinyals et al. 2016): cosine attention over the support set.

`matching` embeds each image by itself (equation 1). `matching_fce` has full context embeddings: a bidirectional LSTM
lets the support images see each other (appendix A.2), and each query reads the support set some times (appendix A.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from metagan.meta.adversary import Predict
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.learners.classifier import FeatureLearner, own_parameters
from metagan.meta.methods.base import Method, conv4, through_batch_norm
from metagan.nets.conv4 import Conv4, Statistics

READS = 5
"""How often a query reads the support set."""
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


class ContextualNetwork(nn.Module):
    """Features, and the two LSTMs that put them into the context of a support set."""

    def __init__(self, body: Conv4) -> None:
        super().__init__()
        self.body = body
        self.context = FullContext(body.feature_size)

    def forward(self, images: Tensor, statistics: Statistics | None = None, found: Statistics | None = None) -> Tensor:
        """(N, C, H, W) -> (N, D), without context."""
        return self.body(images, statistics, found)


class FullContext(nn.Module):
    """(N, D) queries and (S, D) support features -> both in context, of the same shapes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.support_lstm = nn.LSTM(size, size, bidirectional=True)
        self.query_lstm = nn.LSTMCell(2 * size, size)

    def forward(self, queries: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        forwards, backwards = self.support_lstm(support)[0].chunk(2, dim=1)
        support = support + forwards + backwards
        state, cell = queries, torch.zeros_like(queries)
        for _ in range(READS):
            read = (state @ support.T).softmax(1) @ support
            hidden, cell = self.query_lstm(torch.cat([queries, read], 1), (state, cell))
            state = hidden + queries
        return state, support


@dataclass
class ContextualMatchingLearner(MatchingLearner):
    """Matching with full context embeddings."""

    def in_context(self, parameters: Parameters, queries: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        own = {
            name.removeprefix("context."): value
            for name, value in own_parameters(parameters).items()
            if name.startswith("context.")
        }
        return functional_call(self.network.context, own, (queries, support))


matching = Method(
    learner=MatchingLearner,
    network=lambda architecture: conv4(architecture, 0),
    meta_gradient="maml",
    adapts=None,
    fits_any_way=True,
    is_transductive=through_batch_norm,
)
matching_fce = matching._replace(
    learner=ContextualMatchingLearner, network=lambda architecture: ContextualNetwork(conv4(architecture, 0))
)
