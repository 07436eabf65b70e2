"""What an inner step by each update rule costs, and the memory of a long unroll."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from metagan.bench_data import architecture, embedder, random_tasks
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.rule_training import unroll
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import learned_names
from metagan.parameters import RunSettings
from metagan.training.gan import Gan, initial_gan
from metagan.training.rule_comparison import random_start, with_fixed_rule
from metagan.training.rule_training import judged_by_distances

TASKS, STEPS, UNROLLED = 4, 5, 20


def problem(settings: RunSettings, rule: str, steps: int, tasks: int) -> tuple[Gan, GanLearner, TaskTensors]:
    """The random start of `compare_rules` with a rule, and tasks of random pixels."""
    training = settings.meta_train
    loss = training.inner.model_copy(update={"gan_loss": "non_saturating"})  # the one that all rules take
    start = initial_gan(*random_start(architecture(settings), loss, settings.compare_rules), settings.seed)
    gan = with_fixed_rule(start, rule, (0.03, 0.03), steps)
    learner = gan.learner(judged_by_distances(training), embedder(settings))
    return gan, learner, random_tasks(settings, steps, tasks)


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
