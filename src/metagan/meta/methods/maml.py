"""Model-agnostic meta-learning, second order (Finn et al. 2017, algorithm 2)."""

from __future__ import annotations

from metagan.meta.learners.classifier import ClassifierLearner
from metagan.meta.methods.base import Method, head_for_each_way, through_batch_norm

maml = Method(
    label="MAML",
    learner=ClassifierLearner,
    network=head_for_each_way,
    meta_gradient="maml",
    adapts="",
    is_transductive=through_batch_norm,
)
