"""The contract of an inventor, and what all of them are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from metagan.errors import UserError
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import Invent
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.training.data import sampling_tasks
from metagan.training.gan import GENERATOR, Gan
from metagan.training.temperature import at_temperature

TASKS_AT_ONCE = 32


class Draft(NamedTuple):
    """A new class as its inventor sees it: images (K, C, H, W) in [0, 1], to which the model will be adapted.

    `parents` are class indices of the bank, `weights` the share of each, and `way` what was done, in words.
    """

    images: Tensor
    parents: tuple[int, ...]
    weights: tuple[float, ...]
    way: str


@dataclass(frozen=True)
class Studio:
    """The trained models, and the generator as adapted to some train classes, the parents.

    `codes` (T, D) are the generator's adapted tensors of each parent, one after the other.
    """

    bank: TaskBank
    gan: Gan
    joint: Gan
    classifier: nn.Module
    parents: ClassIndices
    codes: Tensor

    @cached_property
    def learner(self) -> GanLearner:
        """The networks."""
        return self.gan.learner()

    @cached_property
    def tensors(self) -> list[str]:
        """The names of what a code is made of."""
        return code_tensors(self.gan)

    @cached_property
    def shots(self) -> int:
        """How many images a draft has."""
        return most_shots(self.gan, self.bank)

    def parts(self, code: Tensor) -> Parameters:
        """The tensors of a code (D,) by name, as views of it."""
        values = code.split([self.gan.parameters[name].numel() for name in self.tensors])
        shapes = (self.gan.parameters[name].shape for name in self.tensors)
        return {name: value.view(shape) for name, value, shape in zip(self.tensors, values, shapes, strict=True)}

    def draw(self, code: Tensor, generator: np.random.Generator) -> Tensor:
        """Images (K, C, H, W) in [0, 1] by a code (D,), as many as a draft has."""
        parameters = at_temperature(self.gan.domain, {**self.gan.parameters, **self.parts(code)}, self.gan.temperature)
        return self.learner.generate(parameters, self.noise(self.shots, generator))

    def noise(self, count: int, generator: np.random.Generator) -> Tensor:
        """Standard normal (count, Z)."""
        drawn = generator.standard_normal((count, self.gan.architecture.noise_size))
        return torch.from_numpy(drawn).float()

    def chosen(self, count: int, generator: np.random.Generator) -> list[int]:
        """The places of so many different parents in `parents`. Raises UserError where there are fewer."""
        if count > len(self.parents):
            raise UserError(
                f"invent.how: a draft of {count} parents is asked for, but there are only {len(self.parents)}"
            )
        return [int(place) for place in generator.choice(len(self.parents), count, replace=False)]

    def named(self, places: list[int]) -> tuple[int, ...]:
        """The class indices of parents."""
        return tuple(int(self.parents[place]) for place in places)


Inventor: TypeAlias = Callable[[Studio, Invent, int, np.random.Generator], list[Draft]]


def open_studio(
    bank: TaskBank,
    gan: Gan,
    joint: Gan,
    classifier: nn.Module,
    settings: Invent,
    seed: int,
    classes: ClassIndices,
) -> Studio:
    """Adapt the generator to `settings.parents` of some train classes at most."""
    generator = np.random.default_rng((seed, 0))
    parents = generator.permutation(classes)[: settings.parents]
    shots = most_shots(gan, bank)
    supports = [
        bank.domain.to_tensor(images[generator.permutation(len(images))[:shots]])
        for images in map(bank.class_images, parents)
    ]
    codes = _codes(gan, torch.stack(supports), settings.steps, seed)
    return Studio(bank, gan, joint, classifier, parents, codes)


def most_shots(gan: Gan, bank: TaskBank) -> int:
    """As many support images as the model was trained with at most, and as every train class has."""
    return gan.shots_of(int(np.diff(bank.offsets)[bank.splits["train"]].min()))


def code_tensors(gan: Gan) -> list[str]:
    """The tensors of the generator that adapt."""
    return [name for name in gan.rules["generator"].tensors if name.startswith(GENERATOR)]


def _codes(gan: Gan, supports: Tensor, steps: int, seed: int) -> Tensor:
    names = code_tensors(gan)

    def code(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        *_, (adapted, _) = adapt(learner, gan.rules, parameters, task, steps, differentiate, False, from_start=True)
        return torch.cat([adapted[name].flatten() for name in names])

    tasks = sampling_tasks(supports, steps, 1, seed, gan.architecture)
    return TaskMap(gan.learner(), "vmap", TASKS_AT_ONCE).results(code, gan.parameters, tasks)
