"""What a network that is trained says of all train classes: how their features vary, and how sure it may be of that."""

from __future__ import annotations

import torch
from torch import Tensor

from metagan.evaluation.calibration import fitted_temperature
from metagan.meta.class_posterior import class_prior
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.classifier import ClassifierLearner, FeatureLearner
from metagan.meta.methods.posterior import PosteriorLearner, as_parameters
from metagan.parameters import ClassifierSettings
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.episodes import episode_task


def features_of_train_classes(learner: FeatureLearner, parameters: Parameters, bank: TaskBank) -> tuple[Tensor, Tensor]:
    """(M, D) of all images of train classes, and the class index of each (M,)."""
    device = next(iter(parameters.values())).device
    features, labels = [], []
    for index in bank.splits["train"].tolist():
        images = bank.domain.to_tensor(bank.class_images(index)).to(device)
        with torch.no_grad():
            features.append(learner.embed(parameters, images))
        labels.append(torch.full((len(images),), index, device=device))
    return torch.cat(features), torch.cat(labels)


def with_prior(
    parameters: Parameters, learner: ClassifierLearner, bank: TaskBank, settings: ClassifierSettings, seed: int
) -> Parameters:
    """For a method that answers by it, add the prior, and the temperature that suits episodes of val classes."""
    if not isinstance(learner, PosteriorLearner):
        return parameters
    prior = class_prior(*features_of_train_classes(learner, parameters, bank))
    warm = {**parameters, **as_parameters(prior, prior.mean.new_ones(()))}
    stream, shots = task_stream(bank, seed), settings.validation_shots or settings.k_shot
    shape = (min(settings.n_way, len(bank.splits["val"])), shots, settings.n_query)
    logits, labels = [], []
    for index in range(settings.validation_tasks):
        task = {name: value.to(prior.mean.device) for name, value in episode_task(stream, "val", index, *shape).items()}
        with torch.no_grad():
            logits.append(learner.predictor(warm, task)(task["query"]))
        labels.append(task["query_labels"])
    temperature = fitted_temperature(torch.stack(logits)[None], torch.stack(labels))
    return {**parameters, **as_parameters(prior, prior.mean.new_tensor(temperature))}
