"""Samples of generators along their adaptation to given tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.features import Embed
from metagan.evaluation.validation import validation_metrics
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import MetaTrain
from metagan.training.gan import Gan
from metagan.training.temperature import at_temperature


def sampling_map(gan: Gan, settings: MetaTrain) -> TaskMap:
    """For adaptation on the CPU once training has ended.

    `auto` is `vmap` here: without a graph to keep, the convolutions that tasks share run over all of them as one batch,
    in half the time that threads take.
    """
    mode = "vmap" if settings.task_parallel == "auto" else settings.task_parallel
    return TaskMap(gan.learner(), mode, settings.vmap_chunk)


def sample_trajectory(task_map: TaskMap, gan: Gan, tasks: TaskTensors, steps: tuple[int, ...]) -> Tensor:
    """(T, len(steps), Q, C, H, W) images in [0, 1] made after each of `steps` inner steps from the outer noise.

    `steps` increases; 0 is the unadapted generator. Tasks need no query images, and inner noise for max(steps) steps.
    """

    def sample(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        trajectory = adapt(learner, gan.rules, parameters, task, max(steps), differentiate, False, from_start=True)
        made = [
            learner.draw(at_temperature(gan.domain, adapted, gan.temperature), task["outer_noise"])
            for step, (adapted, _) in enumerate(trajectory)
            if step in steps
        ]
        return torch.stack(made)

    return task_map.results(sample, gan.parameters, tasks)


def judged_samples(
    task_map: TaskMap,
    gan: Gan,
    tasks: TaskTensors,
    classes: Sequence[int],
    steps: tuple[int, ...],
    embed: Embed,
    seed: int,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, dict[str, list[float]]]:
    """`sample_trajectory` on a device, and back on the CPU the metrics of the samples after each of `steps`."""
    on_device = {name: value.to(device) for name, value in gan.parameters.items()}
    moved = {name: value.to(device) for name, value in tasks.items()}
    samples = sample_trajectory(task_map, replace(gan, parameters=on_device), moved, steps).cpu()
    return samples, validation_metrics(embed, samples, tasks["support"], tasks["query"], np.array(classes), seed)
