"""How loud the noise is when a generator draws, as a multiple of the noise that it was trained with."""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.evaluation.features import Embed, blank_where_diverged, embed_images
from metagan.evaluation.validation import metrics_of_features
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.data import validation_tasks
from metagan.training.gan import GENERATOR, Gan
from metagan.training.saved import Temperature

# Noise as in training or quieter, bending as in training or stronger, in steps of about the square root of two.
TEMPERATURES = tuple(Temperature(*factors) for factors in product((1.0, 0.7, 0.5, 0.35), (1.0, 1.4, 2.0, 2.8)))
LEAST_DIVERSITY = 0.95  # the few val tasks tell it to 0.05 or so
TASKS_AT_ONCE = 5


def at_temperature(
    domain: Domain, parameters: Parameters, temperature: Temperature, prefix: str = GENERATOR
) -> Parameters:
    """The same networks with the weights of their noise multiplied; the generator's names have the prefix."""
    factors = zip((prefix + name for name in domain.gan.noise), temperature, strict=False)
    return {**parameters, **{name: factor * parameters[name] for name, factor in factors if name in parameters}}


def best_temperature(
    bank: TaskBank,
    embed: Embed,
    task_map: TaskMap,
    gan: Gan,
    settings: MetaTrain,
    seed: int,
    steps: tuple[int, ...],
) -> Temperature:
    """Of TEMPERATURES the one with the lowest FJD on val classes: the median over adaptation `steps`, none of them 0.

    Where some draw samples nearly as diverse as real images, by the median too, it is one of them: an FJD forgives
    too little variety.
    """
    tasks, classes = validation_tasks(bank, settings, seed, max(steps))
    candidates = _temperatures(len(gan.domain.gan.noise))

    def sample(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        trajectory = adapt(learner, gan.rules, parameters, task, max(steps), differentiate, create_graph=False)
        drawn = (
            learner.draw(at_temperature(gan.domain, adapted, chosen), task["outer_noise"])
            for step, (adapted, _) in enumerate(trajectory, start=1)
            if step in steps
            for chosen in candidates
        )
        return torch.stack(list(drawn))

    # Some at a time, as the images of all tasks, steps and temperatures together may be gigabytes.
    made = [
        embed_images(embed, blank_where_diverged(task_map.results(sample, gan.parameters, group)))
        for group in _groups(tasks)
    ]
    shown, real = (embed_images(embed, tasks[name]) for name in ("support", "query"))
    values = metrics_of_features(np.concatenate(made), shown, real, np.array(classes), seed)
    fjd, diversity = (np.median(np.reshape(values[name], (len(steps), -1)), 0) for name in ("fjd", "diversity"))
    return candidates[np.lexsort((fjd, diversity < LEAST_DIVERSITY))[0]]


def _temperatures(noises: int) -> list[Temperature]:
    """Those of TEMPERATURES that differ in what a domain of so many kinds of noise draws."""
    return [temperature for temperature in TEMPERATURES if all(factor == 1 for factor in temperature[noises:])]


def _groups(tasks: TaskTensors) -> list[TaskTensors]:
    """The tasks, TASKS_AT_ONCE in each."""
    parts = {name: value.split(TASKS_AT_ONCE) for name, value in tasks.items()}
    return [dict(zip(parts, group, strict=True)) for group in zip(*parts.values(), strict=True)]
