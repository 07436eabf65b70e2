"""The arms of the comparison as samplers: adapted, scratch and fine_tuned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from metagan.evaluation.use import Sampler
from metagan.evaluation.validation import validation_metrics
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import Evaluate, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.data import sampling_tasks, validation_tasks
from metagan.training.gan import Gan, architecture_of, initial_gan, load_gan
from metagan.training.saved import GanHeader, SavedModel
from metagan.training.temperature import best_temperature
from metagan.training.trajectories import sample_trajectory, sampling_map


def build_samplers(
    bank: TaskBank,
    evaluation_embed: nn.Module,
    meta_model: SavedModel[GanHeader],
    joint_gan: SavedModel[GanHeader],
    training: MetaTrain,
    evaluation: Evaluate,
    seed: int,
) -> tuple[dict[str, Sampler], dict[str, float]]:
    """All arms, and the rates of those that step by gradient descent.

    They adapt the same tensors of the same networks by as many steps of the same losses. `adapted` uses the
    meta-learned start and update rule. `scratch` starts at random and `fine_tuned` from the joint GAN, with the rate
    out of `baseline_learning_rates` that has the lowest FJD on val classes. All draw at the temperature that is best on
    val classes. Raises UserError when a model was trained with another architecture.
    """
    architecture = architecture_of(bank, training)
    adapted = load_gan(meta_model, "meta_model", architecture)
    joint = load_gan(joint_gan, "joint_gan", architecture)
    task_map = sampling_map(adapted, training)
    starts = {
        "scratch": initial_gan(architecture, training.inner, seed),
        "fine_tuned": replace(joint, inner=training.inner),
    }
    baselines = {
        arm: best_sgd(bank, evaluation_embed, task_map, start, training, evaluation, seed)
        for arm, start in starts.items()
    }
    samplers = {arm: sampler for arm, (sampler, _) in baselines.items()}
    rates = {arm: rate for arm, (_, rate) in baselines.items()}
    return {"adapted": make_sampler(task_map, adapted), **samplers}, rates


def make_sampler(task_map: TaskMap, gan: Gan) -> Sampler:
    """A sampler that adapts the GAN by its rule and draws at its temperature."""

    def sample(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        tasks = sampling_tasks(supports, max(steps), n, seed, gan.architecture)
        return sample_trajectory(task_map, gan, tasks, steps)

    return sample


def best_sgd(
    bank: TaskBank,
    evaluation_embed: nn.Module,
    task_map: TaskMap,
    start: Gan,
    training: MetaTrain,
    evaluation: Evaluate,
    seed: int,
) -> tuple[Sampler, float]:
    """The sampler by gradient descent at the rate that does best on val classes, and that rate.

    It adapts the tensors that an inner step changes, and draws at the temperature that is best for it. Both are chosen
    by the FJD after the steps that it is measured at; by their median, as a rate that is best for most steps may have
    diverged at the last.
    """
    steps = tuple(step for step in evaluation.steps if step > 0)
    tasks, classes = validation_tasks(bank, training, seed, max(steps))

    def descent(rate: float) -> Gan:
        return start.with_first_rules(update_rule="sgd", generator_learning_rate=rate, discriminator_learning_rate=rate)

    def median_fjd(rate: float) -> float:
        samples = make_sampler(task_map, descent(rate))(tasks["support"], steps, training.n_query, seed)
        values = validation_metrics(
            evaluation_embed, samples, tasks["support"], tasks["query"], np.array(classes), seed
        )
        return float(np.median(values["fjd"]))

    rate = min(evaluation.baseline_learning_rates, key=median_fjd)
    best = descent(rate)
    temperature = best_temperature(bank, evaluation_embed, task_map, best, training, seed, steps)
    return make_sampler(task_map, replace(best, temperature=temperature)), rate
