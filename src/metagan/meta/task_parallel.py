"""Work on many tasks at once: by threads, by `vmap` in chunks, or in a loop as the reference. All three agree."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import TypeVar

import torch
from torch import Tensor

from metagan.meta.differentiation import Differentiate, Parameters, by_autograd, by_functional
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.nets.threads import intra_op_threads, single_threads

Result = TypeVar("Result")
TaskFunction = Callable[[Learner, Parameters, TaskTensors, Differentiate], Tensor]
"""(learner, meta-parameters, task, differentiate) -> a tensor."""


def resolve(mode: str, device: torch.device) -> str:
    """`auto` is `threads` on a CPU, else `vmap`.

    A rule and not a timing: threads give the bits of the loop whatever the number of cores, `vmap` rounds otherwise,
    and what a busy machine finds fastest must not decide about results, least of all when a training goes on.
    """
    if mode != "auto":
        return mode
    return "threads" if device.type == "cpu" else "vmap"


class TaskMap:
    """Applies a task function to every task of a batch, whose tensors count tasks along the first axis.

    Threads swap parameters inside modules, so each has a copy of the learner, and one intra-op thread: with a task
    for each core more gain nothing. A single task runs as in the loop. Under `vmap` tensors that no task adapts stay
    shared, so that their convolutions run over all tasks as one batch.
    """

    def __init__(self, learner: Learner, mode: str, chunk: int, workers: int | None = None) -> None:
        self.learner, self.mode, self.chunk = learner, mode, chunk
        self._learners: SimpleQueue[Learner] = SimpleQueue()
        if mode == "threads":
            workers = workers or os.cpu_count() or 1
            self._pool = single_threads(workers)
            for _ in range(workers):
                self._learners.put(copy.deepcopy(learner))

    def results(self, function: TaskFunction, meta_parameters: Parameters, tasks: TaskTensors) -> Tensor:
        """What the function returns for each task, stacked; without gradients."""

        def detached(learner: Learner, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            return function(learner, meta_parameters, task, differentiate).detach()

        if self.mode == "vmap":
            return torch.vmap(lambda task: detached(self.learner, task, by_functional), chunk_size=self.chunk)(tasks)
        return torch.stack(list(self._map(detached, tasks)))

    def mean_gradient(
        self, loss: TaskFunction, meta_parameters: Parameters, tasks: TaskTensors
    ) -> tuple[Tensor, Parameters]:
        """Mean over the tasks of a scalar task function, and its gradient in the meta-parameters."""
        count = _count(tasks)
        names = list(meta_parameters)
        if self.mode == "vmap":
            parts = [
                self._vmapped_gradient(
                    loss, meta_parameters, {name: tasks[name][first : first + self.chunk] for name in tasks}
                )
                for first in range(0, count, self.chunk)
            ]
        else:

            def gradient(
                learner: Learner, task: TaskTensors, differentiate: Differentiate
            ) -> tuple[Tensor, Parameters]:
                return by_autograd(
                    lambda candidate: loss(learner, candidate, task, differentiate), meta_parameters, False
                )

            parts = list(self._map(gradient, tasks))
        value = torch.stack([part for part, _ in parts]).sum() / count
        return value, {name: torch.stack([gradients[name] for _, gradients in parts]).sum(0) / count for name in names}

    def _vmapped_gradient(
        self, loss: TaskFunction, meta_parameters: Parameters, tasks: TaskTensors
    ) -> tuple[Tensor, Parameters]:
        """The sum is differentiated outside `vmap`, so that shared tensors get one gradient, not one for each task."""

        def total(candidate: Parameters) -> Tensor:
            return torch.vmap(lambda task: loss(self.learner, candidate, task, by_functional))(tasks).sum()

        return by_autograd(total, meta_parameters, False)

    def _map(
        self, function: Callable[[Learner, TaskTensors, Differentiate], Result], tasks: TaskTensors
    ) -> Iterable[Result]:
        each = [{name: value[index] for name, value in tasks.items()} for index in range(_count(tasks))]
        if self.mode == "loop" or len(each) == 1:
            return [function(self.learner, task, by_autograd) for task in each]

        def with_own_learner(task: TaskTensors) -> Result:
            learner = self._learners.get()
            try:
                return function(learner, task, by_autograd)
            finally:
                self._learners.put(learner)

        with intra_op_threads(1):
            return list(self._pool.map(with_own_learner, each))


def _count(tasks: TaskTensors) -> int:
    return len(next(iter(tasks.values())))
