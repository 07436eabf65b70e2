"""The arms of the comparison as samplers: adapted, scratch and fine_tuned."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from metagan.evaluation.validation import validation_metrics
from metagan.meta.differentiation import Parameters
from metagan.meta.task_parallel import TaskMap, resolve
from metagan.meta.update_rules import UPDATE_RULES, UpdateRule
from metagan.parameters import Evaluate, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.data import generation_tasks, sampling_tasks
from metagan.training.gan import Payload, architecture_of, initial_networks, initial_rule, load_gan
from metagan.training.sampling import sample_trajectory
from metagan.training.temperature import AS_TRAINED, Temperature, best_temperature, temperature_of

Sampler = Callable[[Tensor, tuple[int, ...], int, int], Tensor]
"""(supports (T, K, C, H, W), steps, n, seed) -> samples (T, len(steps), n, C, H, W) in [0, 1]."""


def build_samplers(
    bank: TaskBank,
    evaluation_embed: nn.Module,
    meta_model: Payload,
    joint_gan: Payload,
    training: MetaTrain,
    evaluation: Evaluate,
    seed: int,
) -> dict[str, Sampler]:
    """All arms adapt the same networks by as many steps of the same losses.

    `adapted` uses the meta-learned start and update rule. `scratch` starts at random and `fine_tuned` from the joint
    GAN; they step by gradient descent, on the same tensors or on all, with the rate out of `baseline_learning_rates`:
    whichever has the lowest FJD on val classes, averaged over the steps. All draw at the temperature that is best on
    val classes. Raises ValueError when a model was trained with another architecture.
    """
    architecture = architecture_of(bank, training)
    learner, meta_parameters = load_gan(meta_model, "meta_model", architecture)
    _, joint_networks = load_gan(joint_gan, "joint_gan", architecture)
    task_map = TaskMap(
        learner, resolve(training.task_parallel, torch.device("cpu"), meta_parameters), training.vmap_chunk
    )
    rule, temperature = UPDATE_RULES[meta_model["update_rule"]], temperature_of(meta_model)
    starts = {"scratch": initial_networks(architecture, seed), "fine_tuned": joint_networks}
    return {
        "adapted": make_sampler(task_map, rule, meta_parameters, temperature),
        **{
            arm: best_sgd(bank, evaluation_embed, task_map, start, training, evaluation, seed)
            for arm, start in starts.items()
        },
    }


def make_sampler(
    task_map: TaskMap, rule: UpdateRule, meta_parameters: Parameters, temperature: Temperature = AS_TRAINED
) -> Sampler:
    """A sampler that adapts `meta_parameters` by `rule` and draws at the temperature."""
    noise_size = meta_parameters["generator.noise.weight"].shape[1]

    def sample(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        tasks = sampling_tasks(supports, max(steps), n, seed, noise_size)
        return sample_trajectory(task_map, rule, meta_parameters, tasks, steps, temperature)

    return sample


def best_sgd(
    bank: TaskBank,
    evaluation_embed: nn.Module,
    task_map: TaskMap,
    start: Parameters,
    training: MetaTrain,
    evaluation: Evaluate,
    seed: int,
) -> Sampler:
    """The sampler by gradient descent that does best on val classes: of all rates, adapting the same part or all.

    At the temperature that is best for it.
    """
    steps = tuple(step for step in evaluation.steps if step > 0)
    shape = (training.k_shot, training.n_query, max(steps), training.networks.noise_size)
    tasks, classes = generation_tasks(bank, "val", seed, range(training.validation_tasks), *shape)

    def descent(rate: float, adapt_parameters: str) -> tuple[UpdateRule, Parameters]:
        rates = {"generator_learning_rate": rate, "discriminator_learning_rate": rate}
        inner = training.inner.model_copy(update={**rates, "adapt_parameters": adapt_parameters})
        rule, rule_parameters = initial_rule(inner, start, "sgd")
        return rule, {**start, **rule_parameters}

    def mean_fjd(arm: tuple[UpdateRule, Parameters]) -> float:
        samples = make_sampler(task_map, *arm)(tasks["support"], steps, training.n_query, seed)
        values = validation_metrics(
            evaluation_embed, samples, tasks["support"], tasks["query"], np.array(classes), seed
        )
        return float(np.mean(values["fjd"]))

    choices = product(evaluation.baseline_learning_rates, sorted({training.inner.adapt_parameters, "all"}))
    best = min((descent(*choice) for choice in choices), key=mean_fjd)
    return make_sampler(task_map, *best, best_temperature(bank, evaluation_embed, task_map, *best, training, seed))
