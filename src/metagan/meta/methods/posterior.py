"""Prototypical networks that answer by the posterior of each class's features (Ioffe 2006; `meta.class_posterior`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from metagan.meta.adversary import Predict
from metagan.meta.class_posterior import ClassPrior, log_chances
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.methods.prototypical import PrototypicalLearner, class_means, prototypical

PRIOR = "prior."
TEMPERATURE = f"{PRIOR}temperature"
Widen = Callable[[ClassPrior, Tensor, Tensor, Tensor], Tensor]
"""(prior, features of a support set, their labels, all labels) -> factors of `log_chances`."""


@dataclass
class PosteriorLearner(PrototypicalLearner):
    """It trains as prototypical networks do. Once training has measured how features of train classes vary, which
    `prior.*` then hold, the logits are the logarithms of a query's density in each class, over a temperature."""

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        if TEMPERATURE not in parameters:
            return super().predictor(parameters, task)
        prior = ClassPrior(*(parameters[PRIOR + name] for name in ClassPrior._fields))
        chances = chances_in(self, prior, parameters, task)
        return lambda images: (chances(images)[0] / parameters[TEMPERATURE]).to(images.dtype)


def chances_in(
    learner: PrototypicalLearner,
    prior: ClassPrior,
    parameters: Parameters,
    task: TaskTensors,
    widen: Widen | None = None,
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Images -> the `log_chances` of their features, by those of the task's support set."""
    labels, ways = task["support_labels"], task["ways"]
    support = learner.embed(parameters, task["support"])
    means, counts = class_means(support, labels, ways), (labels == ways[:, None]).sum(1)
    factors = widen(prior, support, labels, ways) if widen else 1.0
    return lambda images: log_chances(prior, means, counts, learner.embed(parameters, images), factors)


def as_parameters(prior: ClassPrior, temperature: Tensor) -> Parameters:
    """What a trained classifier holds beside its network."""
    return {PRIOR + name: value for name, value in prior._asdict().items()} | {TEMPERATURE: temperature}


posterior = prototypical._replace(label="posterior", learner=PosteriorLearner)
