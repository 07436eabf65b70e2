"""The contract of a method of few-shot classification."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from metagan.meta.learners.classifier import ClassifierLearner
from metagan.nets.conv4 import Conv4
from metagan.parameters import ClassifierArchitecture


class Method(NamedTuple):
    """A learner, the network it needs, and how both are trained.

    `adapts`: a regular expression over the network's parameter names; an inner step changes those it finds. None for a
    method without inner steps. `fits_any_way`: whether a trained model can be asked about any number of classes.
    `is_transductive`: whether the answer to one query depends on the other queries, with this BatchNorm.
    """

    learner: type[ClassifierLearner]
    network: Callable[[ClassifierArchitecture], nn.Module]
    meta_gradient: str
    adapts: str | None
    fits_any_way: bool
    is_transductive: Callable[[str], bool]


def conv4(architecture: ClassifierArchitecture, outputs: int) -> Conv4:
    """The four-block network; without outputs it gives features."""
    return Conv4(architecture.channels, architecture.width, architecture.image_size, outputs, architecture.pooling)


def head_for_each_way(architecture: ClassifierArchitecture) -> nn.Module:
    """The four-block network with one output for each class of a task."""
    return conv4(architecture, architecture.n_way)


def through_batch_norm(batch_norm: str) -> bool:
    """Queries meet nowhere but in the statistics of a transductive BatchNorm."""
    return batch_norm == "transductive"
