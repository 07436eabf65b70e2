"""Meta-training of the GAN on a stream that changes."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from torch import Tensor, nn

from metagan.domains import Domain
from metagan.evaluation.features import blank_where_diverged
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.parameters import Trainer
from metagan.tasks.looks import LOOKS
from metagan.tasks.phases import Phase
from metagan.tasks.sampling import Episode
from metagan.training.continual.base import REPLAYED
from metagan.training.data import generation_tasks, sampling_tasks
from metagan.training.embedder import load_embedder
from metagan.training.fitting import fingerprint, fit
from metagan.training.gan import Gan, architecture_of, initial_gan
from metagan.training.meta_training import MetaTraining
from metagan.training.on_a_stream import Course, OnAStream, Places
from metagan.training.saved import EmbedderHeader, SavedModel
from metagan.training.trajectories import judged_samples, sample_trajectory


class ContinualGan(OnAStream, MetaTraining):
    """Measured by what an embedder of plain examples says of its samples."""

    measures = MappingProxyType({"recognisability": 1, "fjd": -1})

    def __init__(self, course: Course, learner: GanLearner, start: Gan, embed: nn.Module) -> None:
        settings = course.training.model_copy(update=course.budget)
        super().__init__(course.bank, learner, start, embed, settings, course.seed, None)
        self.follow(course)

    def seen(self, index: int) -> Episode:
        task = self.stream.generation_task("train", index, self.settings.k_shot, self.settings.n_query)
        return Episode(task.support[None], task.query[None], (task.class_index,))

    def with_replay(self, batch: TaskTensors, places: Places, generator: np.random.Generator) -> TaskTensors:
        pool = self.memory.get(REPLAYED)
        return batch if pool is None else with_classes(batch, pool, places, self.domain, generator)

    def measured(self, phase: Phase) -> dict[str, float]:
        """Samples, support and query images are seen without the phase's look."""
        (tasks, classes), step = self._held_back[phase.name], self.course.settings.step
        embed, look = self._evaluation_embed[0], LOOKS[phase.look]

        def plainly(images: Tensor) -> Tensor:
            return embed(look.undo(self.domain, images))

        rest = (plainly, self.seed, self.device)
        _, values = judged_samples(self.task_map, self._averaged(), tasks, classes, (step,), *rest)
        return {measure: values[measure][0] for measure in self.measures}

    def draw(self, shown: Tensor, count: int) -> Tensor:
        """A diverged sample is black."""
        steps = self.settings.inner.steps
        tasks = sampling_tasks(shown, steps, count, self.seed + self.meta_step, self.settings.networks)
        on_device = {name: value.to(self.device) for name, value in tasks.items()}
        samples = sample_trajectory(self.task_map, self._averaged(), on_device, (steps,))
        return blank_where_diverged(samples[:, 0].cpu())

    @cached_property
    def _held_back(self) -> dict[str, tuple[TaskTensors, list[int]]]:
        """The tasks that each phase is measured on, and their classes."""
        course, own = self.course, self.settings
        shape = (own.k_shot, own.n_query, course.settings.step, own.networks)
        indices = range(course.settings.tasks)
        return {
            phase.name: generation_tasks(course.held_back(phase), "train", indices, *shape) for phase in course.phases
        }

    def _averaged(self) -> Gan:
        return replace(self.gan, parameters={**self.fixed_parameters, **self.meta_parameters(averaged=True)})


def with_classes(
    tasks: TaskTensors, pool: Tensor, places: Places, domain: Domain, generator: np.random.Generator
) -> TaskTensors:
    """The tasks, those at `places` with support and query images of classes of the pool (M, n, ...) instead."""
    support, query = tasks["support"].clone(), tasks["query"].clone()
    k_shot, size = support.shape[1], support.shape[1] + query.shape[1]
    for place in places:
        images = pool[generator.integers(len(pool))].numpy()
        chosen = domain.to_tensor(images[generator.permutation(len(images))[:size]]).to(support)
        if place is not None:
            support[place], query[place] = chosen[:k_shot], chosen[k_shot:]
    return {**tasks, "support": support, "query": query}


def train_continual_gan(
    course: Course,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    trainer: Trainer,
    folder: Path,
) -> ContinualGan:
    """Train and measure; an interrupted training with the same parameters, bank and embedders goes on."""
    start = initial_gan(architecture_of(course.bank, course.training), course.training.inner, course.seed)
    learner = start.learner(course.training, load_embedder(objective_embedder, course.bank))
    module = ContinualGan(course, learner, start, load_embedder(evaluation_embedder, course.bank))
    embedders = (evaluation_embedder.content_hash, objective_embedder.content_hash)
    name = (course.kind, course.settings.model_dump_json(), course.stream.name, *embedders)
    folder = folder / fingerprint(course.training, course.seed, *name)
    fit(module, folder, None, trainer, module.settings.validate_every)
    return module
