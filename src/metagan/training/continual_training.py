"""Meta-training of the GAN on a stream that changes, measured after each segment on held-back classes of each phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metagan.evaluation.features import blank_where_diverged
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.task_parallel import TaskFunction
from metagan.parameters import Continual, MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.looks import LOOKS, Change
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase
from metagan.tasks.streams import BankStream, Looked, Ordered, TaskStream, wrapped
from metagan.training.continual import KINDS, Memory, Segment
from metagan.training.continual.base import REPLAYED, with_replay
from metagan.training.data import generation_tasks, sampling_tasks
from metagan.training.fitting import fingerprint, fit
from metagan.training.gan import Gan, architecture_of, initial_gan
from metagan.training.meta_training import MetaTraining
from metagan.training.outer_loop import Row
from metagan.training.processes import own_share
from metagan.training.trajectories import judged_samples, sample_trajectory

MEASURES = {"recognisability": 1, "fjd": -1}
"""What is measured, and whether more of it is better."""
_REPLAY = 31


@dataclass(frozen=True)
class Course:
    """A kind of training on the phases in an order; each phase has `meta_steps` meta-steps."""

    bank: TaskBank
    phases: tuple[Phase, ...]
    order: str
    kind: str
    settings: Continual
    training: MetaTrain
    seed: int

    @property
    def segments(self) -> int:
        return ORDERS[self.order].segments(len(self.phases))

    @property
    def steps_of_a_segment(self) -> int:
        return self.settings.meta_steps * len(self.phases) // self.segments

    @cached_property
    def stream(self) -> TaskStream:
        """The tasks that are trained on: of no class that is held back."""
        tasks = self.steps_of_a_segment * self.segments * self.training.tasks_per_step
        return wrapped(Ordered(self.bank, self.seed, self.order, self.phases, tasks), self.training.stream)

    def held_back(self, phase: Phase) -> tuple[TaskTensors, list[int]]:
        """The tasks that a phase is measured on, and their classes."""
        training, steps = self.training, self.settings.step
        stream = Looked(BankStream(self.bank, self.seed, phase.held_back), phase.look)
        shape = (training.k_shot, training.n_query, steps, training.networks.noise_size)
        return generation_tasks(stream, "train", range(self.settings.tasks), *shape)


class ContinualTraining(MetaTraining):
    """Never goes back to earlier weights, as what is lost is to be seen; the memory of its kind is checkpointed."""

    def __init__(self, course: Course, learner: GanLearner, start: Gan, embed: nn.Module) -> None:
        length = course.steps_of_a_segment
        changes = {"meta_steps": length * course.segments, "minutes": None, "validate_every": length}
        settings = course.training.model_copy(update={**changes, "retreat_margin": math.inf})
        super().__init__(course.bank, learner, start, embed, settings, course.seed, None)
        self.course, self.kind, self.memory = course, KINDS[course.kind], Memory()
        self.stream = course.stream
        self._tasks = [course.held_back(phase) for phase in course.phases]

    def training_step(self, batch: TaskTensors, batch_idx: int) -> None:
        """The last tasks of a batch are replayed ones, once there are any; batches are drawn a step ahead."""
        if REPLAYED in self.memory:
            count, share = self.settings.tasks_per_step, own_share(self.trainer)
            replayed = round(self.course.settings.replay * count)
            places = [own for own, place in enumerate(range(count)[share]) if place >= count - replayed]
            generator = np.random.default_rng((self.seed, _REPLAY, self.meta_step, self.trainer.global_rank))
            batch = with_replay(batch, self.memory[REPLAYED], places, self.bank.domain, generator)
        super().training_step(batch, batch_idx)

    def task_loss(self) -> TaskFunction:
        loss, penalty = super().task_loss(), self.kind.penalty
        if penalty is None or not self.memory:
            return loss
        memory = {name: value.to(self.device) for name, value in self.memory.items()}

        def with_penalty(learner: Learner, own: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            return loss(learner, own, task, differentiate) + penalty(memory, own, self.course.settings)

        return with_penalty

    def measure(self) -> Row:
        """For each phase what the averaged meta-parameters do on its held-back classes, seen without its look."""
        row, embed, domain = Row(), self._evaluation_embed[0], self.bank.domain
        steps, rest = (self.course.settings.step,), (self.seed, self.device)
        for number, (phase, (tasks, classes)) in enumerate(zip(self.course.phases, self._tasks, strict=True), start=1):
            undo = LOOKS[phase.look].undo

            def seen(images: Tensor, undo: Change = undo) -> Tensor:
                return embed(undo(domain, images))

            _, values = judged_samples(self.task_map, self._averaged(), tasks, classes, steps, seen, *rest)
            row |= {f"val/{measure}_{number}": values[measure][0] for measure in MEASURES}
        row["val/score"] = float(np.mean([row[f"val/recognisability_{number}"] for number in self._numbers]))
        return row

    def validation_step(self, batch: int, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        length = self.course.steps_of_a_segment
        segment = self.meta_step // length - 1
        if segment + 1 < self.course.segments:
            tasks = self.settings.tasks_per_step * length
            with torch.inference_mode(False):
                self.memory = self.kind.remember(self.memory, self._seen(range(segment * tasks, (segment + 1) * tasks)))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["memory"] = self.memory

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.memory = checkpoint["memory"]

    def matrix(self, measure: str) -> list[list[float]]:
        """(looks, phases) values of a measure."""
        return [[row[f"val/{measure}_{number}"] for number in self._numbers] for row in self.history]

    @property
    def _numbers(self) -> range:
        return range(1, len(self.course.phases) + 1)

    def _averaged(self) -> Gan:
        return replace(self.gan, parameters={**self.fixed_parameters, **self.meta_parameters(averaged=True)})

    def _seen(self, indices: range) -> Segment:
        own = {name: value.detach().cpu() for name, value in self.meta_parameters().items()}
        course = self.course
        segment = indices.start // len(indices)
        return Segment(self.stream, indices, segment, course.settings, course.training, own, self._gradient, self._draw)

    def _gradient(self, index: int) -> Parameters:
        task = {name: value.to(self.device) for name, value in self.train_tasks(range(index, index + 1)).items()}
        _, gradient = self.task_map.mean_gradient(super().task_loss(), self.meta_parameters(), task)
        return {name: value.cpu() for name, value in gradient.items()}

    def _draw(self, shown: Tensor, count: int) -> Tensor:
        steps, noise_size = self.settings.inner.steps, self.settings.networks.noise_size
        tasks = sampling_tasks(shown, steps, count, self.seed + self.meta_step, noise_size)
        on_device = {name: value.to(self.device) for name, value in tasks.items()}
        samples = sample_trajectory(self.task_map, self._averaged(), on_device, (steps,))
        return blank_where_diverged(samples[:, 0].cpu())


def train_course(
    course: Course,
    embed: nn.Module,
    objective: nn.Module,
    embedders: Sequence[str],
    trainer: Trainer,
    folder: Path,
) -> ContinualTraining:
    """Train and measure; an interrupted training with the same parameters, bank and `embedders` (hashes) goes on."""
    start = initial_gan(architecture_of(course.bank, course.training), course.training.inner, course.seed)
    module = ContinualTraining(course, start.learner(course.training, objective), start, embed)
    name = (course.kind, course.settings.model_dump_json(), course.stream.name, *embedders)
    fit(
        module,
        folder / fingerprint(course.training, course.seed, *name),
        None,
        trainer,
        module.settings.validate_every,
    )
    return module
