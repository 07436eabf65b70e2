"""Meta-training of a few-shot classifier on a stream that changes."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.meta.learners import TaskTensors
from metagan.parameters import Trainer
from metagan.tasks.phases import Phase
from metagan.tasks.sampling import Episode
from metagan.training.classifier import architecture_of, few_shot_classifier, initial_classifier
from metagan.training.classifier_training import (
    STATISTICS_EPISODES,
    ClassifierTraining,
    accuracy,
    with_statistics_of,
)
from metagan.training.continual.base import REPLAYED, SEGMENTS
from metagan.training.episodes import episode_task
from metagan.training.fitting import fingerprint, fit
from metagan.training.on_a_stream import Course, OnAStream, Places


class ContinualClassifier(OnAStream, ClassifierTraining):
    """Measured by its accuracy in episodes of one phase."""

    measures = MappingProxyType({"accuracy": 1})

    def __init__(self, course: Course) -> None:
        settings = course.training.model_copy(update=course.budget)
        start = initial_classifier(course.bank, settings, course.seed)
        super().__init__(course.bank, *start, settings, course.seed)
        self.follow(course)

    def seen(self, index: int) -> Episode:
        settings = self.settings
        return self.stream.episode("train", index, settings.n_way, settings.k_shot, settings.n_query)

    def with_replay(self, batch: TaskTensors, places: Places, generator: np.random.Generator) -> TaskTensors:
        if REPLAYED not in self.memory:
            return batch
        pool = self.memory[REPLAYED], self.memory[SEGMENTS]
        return with_episodes(batch, *pool, self.settings.n_way, places, self.domain, generator)

    def measured(self, phase: Phase) -> dict[str, float]:
        """BatchNorm knows the statistics of the last tasks that were trained on."""
        settings, stream = self.settings, self.course.held_back(phase)
        state = {**self.fixed_parameters, **self.meta_parameters(averaged=True)}
        last = range(
            max(0, self.meta_step * settings.tasks_per_step - STATISTICS_EPISODES),
            self.meta_step * settings.tasks_per_step,
        )
        state = with_statistics_of(state, self.learner, self.stream, settings, last)
        classifier = few_shot_classifier(
            settings, architecture_of(self.bank, settings), self.learner, self.rules, state
        )
        right = []
        for index in range(self.course.settings.tasks):
            task = episode_task(stream, "train", index, settings.n_way, settings.k_shot, settings.n_query)
            task = {name: value.to(self.device) for name, value in task.items()}
            right.append(accuracy(classifier.predictor(task), task["query"], task["query_labels"]))
        return {"accuracy": float(np.mean(right))}


def with_episodes(
    tasks: TaskTensors,
    pool: Tensor,
    segments: Tensor,
    n_way: int,
    places: Places,
    domain: Domain,
    generator: np.random.Generator,
) -> TaskTensors:
    """The episodes, those at `places` with images of `n_way` classes of the pool (M, n, ...), all of one segment, that
    `segments` (M,) names."""
    support, query = tasks["support"].clone(), tasks["query"].clone()
    k_shot, n_query = support.shape[1] // n_way, query.shape[1] // n_way
    for place in places:
        own = torch.nonzero(segments == generator.choice(segments.unique().numpy()))[:, 0].numpy()
        for way, chosen in enumerate(generator.choice(own, n_way, replace=False)):
            images = pool[chosen].numpy()
            drawn = domain.to_tensor(images[generator.permutation(len(images))[: k_shot + n_query]]).to(support)
            if place is not None:
                support[place, way * k_shot : (way + 1) * k_shot] = drawn[:k_shot]
                query[place, way * n_query : (way + 1) * n_query] = drawn[k_shot:]
    return {**tasks, "support": support, "query": query}


def train_continual_classifier(course: Course, trainer: Trainer, folder: Path) -> ContinualClassifier:
    """Train and measure; an interrupted training with the same parameters and bank goes on."""
    module = ContinualClassifier(course)
    name = (course.kind, course.settings.model_dump_json(), course.stream.name)
    folder = folder / fingerprint(course.training, course.seed, *name)
    fit(module, folder, None, trainer, module.settings.validate_every)
    return module
