"""The contract of a method of few-shot classification."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from metagan.meta.learners.classifier import ClassifierLearner
from metagan.nets.conv4 import Conv4


class Architecture(NamedTuple):
    """What a method builds its network from; `base_classes` is the number of train classes."""

    channels: int
    image_size: int
    width: int
    pooling: str
    n_way: int
    base_classes: int

    def conv4(self, outputs: int) -> Conv4:
        """The four-block network; without outputs it gives features."""
        return Conv4(self.channels, self.width, self.image_size, outputs, self.pooling)


class Method(NamedTuple):
    """A learner, the network it needs, and how both are trained.

    `adapts`: a regular expression over the network's parameter names; an inner step changes those it finds. None for a
    method without inner steps. `fits_any_way`: whether a trained model can be asked about any number of classes.
    `is_transductive`: whether the answer to one query depends on the other queries, with this BatchNorm.
    """

    learner: type[ClassifierLearner]
    network: Callable[[Architecture], nn.Module]
    meta_gradient: str
    adapts: str | None
    fits_any_way: bool
    is_transductive: Callable[[str], bool]


def head_for_each_way(architecture: Architecture) -> nn.Module:
    """The four-block network with one output for each class of a task."""
    return architecture.conv4(architecture.n_way)


def through_batch_norm(batch_norm: str) -> bool:
    """Queries meet nowhere but in the statistics of a transductive BatchNorm."""
    return batch_norm == "transductive"
