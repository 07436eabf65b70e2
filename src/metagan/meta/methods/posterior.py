"""Prototypical networks that answer by the posterior of each class's features (Ioffe 2006; `meta.class_posterior`)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from metagan.meta.adversary import Predict
from metagan.meta.class_posterior import ClassPrior, log_chances
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import TaskTensors
from metagan.meta.methods.base import Method, body, through_batch_norm
from metagan.meta.methods.prototypical import PrototypicalLearner, class_means

PRIOR = "prior."
TEMPERATURE = f"{PRIOR}temperature"


@dataclass
class PosteriorLearner(PrototypicalLearner):
    """It trains as prototypical networks do. Once training has measured how features of train classes vary, which
    `prior.*` then hold, the logits are the logarithms of a query's density in each class, over a temperature."""

    def predictor(self, parameters: Parameters, task: TaskTensors) -> Predict:
        if TEMPERATURE not in parameters:
            return super().predictor(parameters, task)
        prior = ClassPrior(*(parameters[PRIOR + name] for name in ClassPrior._fields))
        labels, ways = task["support_labels"], task["ways"]
        means = class_means(self.embed(parameters, task["support"]), labels, ways)
        counts = (labels == ways[:, None]).sum(1)

        def logits(images: Tensor) -> Tensor:
            of_class, _ = log_chances(prior, means, counts, self.embed(parameters, images))
            return (of_class / parameters[TEMPERATURE]).to(images.dtype)

        return logits


def as_parameters(prior: ClassPrior, temperature: Tensor) -> Parameters:
    """What a trained classifier holds beside its network."""
    return {PRIOR + name: value for name, value in prior._asdict().items()} | {TEMPERATURE: temperature}


posterior = Method(
    label="posterior",
    learner=PosteriorLearner,
    network=lambda architecture: body(architecture, 0),
    meta_gradient="maml",
    adapts=None,
    is_transductive=through_batch_norm,
)
