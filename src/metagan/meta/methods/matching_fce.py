"""Matching networks with full context embeddings (Vinyals et al. 2016).

A bidirectional LSTM lets the support images see each other (appendix A.2), and each query reads the support set some
times (appendix A.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metagan.meta.differentiation import Parameters
from metagan.meta.learners.classifier import own_parameters
from metagan.meta.methods.base import features
from metagan.meta.methods.matching import MatchingLearner, matching
from metagan.nets.conv4 import Statistics

READS = 5
"""How often a query reads the support set."""


class ContextualNetwork(nn.Module):
    """Features, and the two LSTMs that put them into the context of a support set."""

    def __init__(self, body: nn.Module, feature_size: int) -> None:
        super().__init__()
        self.body = body
        self.context = FullContext(feature_size)

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
        return functional_call(self.network.get_submodule("context"), own, (queries, support))


matching_fce = matching._replace(
    label="matching with full context embeddings",
    learner=ContextualMatchingLearner,
    network=lambda architecture: ContextualNetwork(*features(architecture)),
)
