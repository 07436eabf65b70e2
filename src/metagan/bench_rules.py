"""What an inner step by each update rule costs, and the memory of a long unroll."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.rule_training import unroll
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import learned_names
from metagan.nets.embedder import Embedder
from metagan.parameters import GanArchitecture, RunSettings
from metagan.training.gan import Gan, initial_gan
from metagan.training.rule_comparison import random_start, with_fixed_rule

TASKS, STEPS, UNROLLED = 4, 5, 20


def problem(settings: RunSettings, rule: str, steps: int, tasks: int) -> tuple[Gan, GanLearner, TaskTensors]:
    """The random start of `compare_rules` with a rule, and tasks of random pixels."""
    training, size, channels = settings.meta_train, settings.tasks.image_size, settings.tasks.channels
    shape = (channels, size, size)
    whole = GanArchitecture(shape=shape, **training.networks.model_dump())
    loss = training.inner.model_copy(update={"gan_loss": "non_saturating"})  # the one that all rules take
    start = initial_gan(*random_start(whole, loss, settings.compare_rules), settings.seed)
    gan = with_fixed_rule(start, rule, (0.03, 0.03), steps)
    embedder = settings.embedder.objective
    embed = Embedder(channels, embedder.width, embedder.feature_size, size).requires_grad_(False)
    objective = training.outer_objective.model_copy(update={"critic": 0.0})
    judged = training.model_copy(update={"outer_objective": objective, "start_weight": 0.0})
    noise_size = training.networks.noise_size
    return (
        gan,
        gan.learner(judged, embed),
        {
            "support": torch.rand(tasks, training.k_shot, *shape),
            "query": torch.rand(tasks, training.n_query, *shape),
            "inner_noise": torch.randn(tasks, steps, 2, training.k_shot, noise_size),
            "outer_noise": torch.randn(tasks, training.n_query, noise_size),
        },
    )


def inner_steps_by(settings: RunSettings, rule: str) -> Callable[[], Tensor]:
    """STEPS inner steps on TASKS tasks at once, without a graph."""
    gan, learner, tasks = problem(settings, rule, STEPS, TASKS)
    task_map = TaskMap(learner, "vmap", TASKS)

    def end(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        *_, (there, _) = adapt(learner, gan.rules, parameters, task, STEPS, differentiate, False)
        return there["generator.maps.0"]

    return lambda: task_map.results(end, gan.parameters, tasks)


def long_unroll(settings: RunSettings) -> Callable[[], object]:
    """The gradient of a learned rule through UNROLLED inner steps on one task."""
    gan, learner, tasks = problem(settings, "mlp", UNROLLED, 1)
    learned = {name: gan.parameters[name] for name in learned_names(gan.rules, gan.parameters)}

    def loss(learner: GanLearner, own: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        everything, weights = {**gan.parameters, **own}, [1.0] * UNROLLED
        return unroll(learner, gan.rules, everything, task, weights, differentiate, UNROLLED)

    task_map = TaskMap(learner, "loop", 1)
    return lambda: task_map.mean_gradient(loss, learned, tasks)
