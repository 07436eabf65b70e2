"""Networks and tasks of random pixels, of the sizes that a project sets."""

from __future__ import annotations

import torch

from metagan.meta.learners import TaskTensors
from metagan.nets.embedder import Embedder
from metagan.parameters import GanArchitecture, RunSettings


def architecture(settings: RunSettings) -> GanArchitecture:
    """That of the meta-model."""
    tasks = settings.tasks
    shape = (tasks.channels, tasks.image_size, tasks.image_size)
    return GanArchitecture(shape=shape, **settings.meta_train.networks.model_dump())


def embedder(settings: RunSettings) -> Embedder:
    """The objective embedder, untrained."""
    tasks, network = settings.tasks, settings.embedder.objective
    return Embedder(tasks.channels, network.width, network.feature_size, tasks.image_size).requires_grad_(False)


def random_tasks(settings: RunSettings, steps: int, count: int) -> TaskTensors:
    """`count` tasks for `steps` inner steps."""
    training, shape = settings.meta_train, architecture(settings).shape
    noise_size = training.networks.noise_size
    return {
        "support": torch.rand(count, training.k_shot, *shape),
        "query": torch.rand(count, training.n_query, *shape),
        "inner_noise": torch.randn(count, steps, 2, training.k_shot, noise_size),
        "outer_noise": torch.randn(count, training.n_query, noise_size),
    }
