"""The contract of a method of few-shot classification."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

from torch import nn

from metagan.domains import domain_of
from metagan.meta.learners.classifier import ClassifierLearner
from metagan.parameters import ClassifierArchitecture


class Method(NamedTuple):
    """What people call it, a learner, the network it needs, and how both are trained.

    `adapts`: a regular expression over the network's parameter names; an inner step changes those it finds. None for a
    method without inner steps. `is_transductive`: whether the answer to one query depends on the other queries, with
    this BatchNorm.
    """

    label: str
    learner: type[ClassifierLearner]
    network: Callable[[ClassifierArchitecture], nn.Module]
    meta_gradient: str
    adapts: str | None
    is_transductive: Callable[[str], bool]


def body(architecture: ClassifierArchitecture, outputs: int) -> nn.Module:
    """The domain's network; without outputs it gives features."""
    return domain_of(architecture).classifier(architecture, outputs)


def features(architecture: ClassifierArchitecture) -> tuple[nn.Module, int]:
    """The domain's network without outputs, and how many features it gives."""
    network = body(architecture, 0)
    return network, cast(int, network.feature_size)


def head_for_each_way(architecture: ClassifierArchitecture) -> nn.Module:
    """The domain's network with one output for each class of a task."""
    return body(architecture, architecture.n_way)


def through_batch_norm(batch_norm: str) -> bool:
    """Queries meet nowhere but in the statistics of a transductive BatchNorm."""
    return batch_norm == "transductive"
