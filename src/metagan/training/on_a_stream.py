"""An outer loop on a stream that changes, which does something against forgetting and looks at every phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.task_parallel import TaskFunction
from metagan.parameters import ClassifierSettings, Continual, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase
from metagan.tasks.sampling import Episode
from metagan.tasks.streams import BankStream, Looked, Ordered, TaskStream, wrapped
from metagan.training.continual import KINDS, Memory, Segment
from metagan.training.outer_loop import OuterLoop, Row
from metagan.training.processes import own_share

Places: TypeAlias = Sequence[int | None]
"""Of tasks in a batch; None is one of another process, for which random numbers are drawn all the same."""
_REPLAY = 31


@dataclass(frozen=True)
class Course:
    """A kind of training on the phases in an order; each phase has `meta_steps` meta-steps."""

    bank: TaskBank
    phases: tuple[Phase, ...]
    order: str
    kind: str
    settings: Continual
    training: MetaTrain | ClassifierSettings
    seed: int

    @property
    def segments(self) -> int:
        return ORDERS[self.order].segments(len(self.phases))

    @property
    def steps_of_a_segment(self) -> int:
        return self.settings.meta_steps * len(self.phases) // self.segments

    @property
    def budget(self) -> dict[str, Any]:
        """What of the training's settings the course decides; it never goes back to earlier weights, as what is lost is
        to be seen."""
        length = self.steps_of_a_segment
        steps = {"meta_steps": length * self.segments, "minutes": None, "validate_every": length}
        return {**steps, "retreat_margin": float("inf")}

    @cached_property
    def stream(self) -> TaskStream:
        """The tasks that are trained on: of no class that is held back."""
        tasks = self.steps_of_a_segment * self.segments * self.training.tasks_per_step
        return wrapped(Ordered(self.bank, self.seed, self.order, self.phases, tasks), self.training.stream)

    def held_back(self, phase: Phase) -> TaskStream:
        """The tasks that a phase is measured on, as it looks."""
        return Looked(BankStream(self.bank, self.seed, phase.held_back), phase.look)


class OnAStream(OuterLoop):
    """To be put before an outer loop that has a `stream`; the memory of its kind is checkpointed."""

    measures: ClassVar[Mapping[str, int]]
    """What is measured, and 1 where more of it is better, else -1."""

    def follow(self, course: Course) -> None:
        """From now on the tasks are those of the course."""
        self.course, self.kind, self.memory = course, KINDS[course.kind], Memory()
        self.stream = course.stream

    def with_replay(self, batch: TaskTensors, places: Places, generator: np.random.Generator) -> TaskTensors:
        """The batch, with what the memory holds in the place of some tasks."""
        raise NotImplementedError

    def measured(self, phase: Phase) -> dict[str, float]:
        """Of the averaged meta-parameters on the held-back classes of a phase."""
        raise NotImplementedError

    def seen(self, index: int) -> Episode:
        """Task `index` of the stream, with as many images as a task may have."""
        raise NotImplementedError

    def draw(self, shown: Tensor, count: int) -> Tensor:
        """Samples (C, count, ...) of the model so far, adapted to images (C, K, ...)."""
        raise NotImplementedError

    def training_step(self, batch: TaskTensors, batch_idx: int) -> None:
        """The last tasks of a batch are replayed ones, once there are any; batches are drawn a step ahead."""
        count = self.settings.tasks_per_step
        own = {place: number for number, place in enumerate(range(count)[own_share(self.trainer)])}
        replayed = round(self.course.settings.replay * count)
        places = [own.get(place) for place in range(count - replayed, count)]
        generator = np.random.default_rng((self.course.seed, _REPLAY, self.meta_step, 0))
        super().training_step(self.with_replay(batch, places, generator), batch_idx)

    def task_loss(self) -> TaskFunction:
        loss, penalty = super().task_loss(), self.kind.penalty
        if penalty is None or not self.memory:
            return loss
        memory = {name: value.to(self.device) for name, value in self.memory.items()}

        def with_penalty(learner: Learner, own: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            return loss(learner, own, task, differentiate) + penalty(memory, own, self.course.settings)

        return with_penalty

    def measure(self) -> Row:
        row = Row()
        for number, phase in enumerate(self.course.phases, start=1):
            row |= {f"val/{measure}_{number}": value for measure, value in self.measured(phase).items()}
        first = next(iter(self.measures))
        row["val/score"] = float(np.mean([row[f"val/{first}_{number}"] for number in self._numbers]))
        return row

    def validation_step(self, batch: int, batch_idx: int) -> None:
        super().validation_step(batch, batch_idx)
        done = self.meta_step // self.course.steps_of_a_segment
        if done < self.course.segments:
            with torch.inference_mode(False):
                self.memory = self.kind.remember(self.memory, self._segment(done - 1))

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
    def domain(self) -> Domain:
        return self.course.bank.domain

    @property
    def _numbers(self) -> range:
        return range(1, len(self.course.phases) + 1)

    def _segment(self, number: int) -> Segment:
        course, own = self.course, {name: value.detach().cpu() for name, value in self.meta_parameters().items()}
        length = course.steps_of_a_segment * course.training.tasks_per_step
        return Segment(
            number=number,
            indices=range(number * length, (number + 1) * length),
            seed=course.seed,
            domain=self.domain,
            settings=course.settings,
            meta_parameters=own,
            seen=self.seen,
            gradient=self._gradient,
            draw=self.draw,
        )

    def _gradient(self, index: int) -> Parameters:
        task = {name: value.to(self.device) for name, value in self.train_tasks(range(index, index + 1)).items()}
        _, gradient = self.task_map.mean_gradient(super().task_loss(), self.meta_parameters(), task)
        return {name: value.cpu() for name, value in gradient.items()}
