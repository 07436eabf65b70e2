"""How loud the noise is when a generator draws, as a multiple of the noise that it was trained with."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.features import Embed
from metagan.evaluation.validation import validation_metrics
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import Rules
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.data import validation_tasks
from metagan.training.gan import Payload


class Temperature(NamedTuple):
    """Factors of the noise in the coarse map, which changes strokes, and of the noise that bends what was drawn.

    Glow (Kingma and Dhariwal 2018, section 5) samples at a temperature below 1, BigGAN (Brock et al. 2019, section
    3.1) truncates; here two kinds of noise have one each, and it may be above 1.
    """

    strokes: float = 1.0
    bending: float = 1.0


AS_TRAINED = Temperature()
TEMPERATURES = tuple(Temperature(*factors) for factors in product((1.0, 0.7, 0.5, 0.35), (1.0, 1.4, 2.0, 2.8)))
LEAST_DIVERSITY = 0.95  # the few val tasks tell it to 0.05 or so
_WEIGHTS = ("generator.noise.weight", "generator.bending.control.weight")  # in the order of Temperature


def temperature_of(saved: Payload) -> Temperature:
    """The temperature of a saved meta-model; that of its training if it has none."""
    return Temperature(**saved.get("temperature", {}))


def at_temperature(parameters: Parameters, temperature: Temperature) -> Parameters:
    """The same networks with the weights of their noise multiplied."""
    factors = zip(_WEIGHTS, temperature, strict=True)
    return {**parameters, **{name: factor * parameters[name] for name, factor in factors if name in parameters}}


def best_temperature(
    bank: TaskBank,
    embed: Embed,
    task_map: TaskMap,
    rules: Rules,
    meta_parameters: Parameters,
    settings: MetaTrain,
    seed: int,
) -> Temperature:
    """Of TEMPERATURES the one with the lowest FJD on val classes, after as many steps as training unrolls.

    Where some draw samples nearly as diverse as real images, it is one of them: an FJD forgives too little variety.
    """
    steps = settings.inner.steps
    tasks, classes = validation_tasks(bank, settings, seed, steps)

    def sample(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        *_, (adapted, _) = adapt(learner, rules, parameters, task, steps, differentiate, create_graph=False)
        drawn = (learner.generate(at_temperature(adapted, chosen), task["outer_noise"]) for chosen in TEMPERATURES)
        return torch.stack(list(drawn))

    samples = task_map.results(sample, meta_parameters, tasks)
    values = validation_metrics(embed, samples, tasks["support"], tasks["query"], np.array(classes), seed)
    uniform = np.array(values["diversity"]) < LEAST_DIVERSITY
    return TEMPERATURES[np.lexsort((values["fjd"], uniform))[0]]
