"""Work on many tasks at once: threads on CPU, `vmap` in chunks on CUDA, a loop as the reference. All three agree."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import torch
from torch.utils import _pytree as pytree

from metagan.meta.differentiation import Differentiate, by_autograd, by_functional
from metagan.meta.learners.base import Learner, TaskTensors

TaskFunction = Callable[[Learner, TaskTensors, Differentiate], pytree.PyTree]
"""(learner, task, differentiate) -> a tree of tensors."""


def resolve(mode: str, device: torch.device) -> str:
    """`auto` is `threads` on a CPU and `vmap` on a GPU."""
    if mode != "auto":
        return mode
    return "threads" if device.type == "cpu" else "vmap"


class TaskMap:
    """Apply a task function to every task and stack the results along a new first axis.

    Threads swap parameters inside modules, so each has a copy of the learner, and one intra-op thread: on networks
    this small more gain nothing. The number of intra-op threads is a property of the process while a map runs.
    """

    def __init__(self, learner: Learner, mode: str, chunk: int, workers: int | None = None) -> None:
        self.learner, self.mode, self.chunk = learner, mode, chunk
        self.workers = workers or os.cpu_count() or 1
        self._pool: ThreadPoolExecutor | None = None
        self._learners: SimpleQueue[Learner] = SimpleQueue()
        if mode == "threads":
            self._pool = ThreadPoolExecutor(self.workers, "task")
            for _ in range(self.workers):
                self._learners.put(copy.deepcopy(learner))

    def __call__(self, function: TaskFunction, tasks: TaskTensors) -> pytree.PyTree:
        """`tasks` holds tensors whose first axis counts tasks."""
        if self.mode == "vmap":
            return torch.vmap(
                lambda task: function(self.learner, task, by_functional), chunk_size=self.chunk, randomness="error"
            )(tasks)
        count = len(next(iter(tasks.values())))
        each = [{name: value[index] for name, value in tasks.items()} for index in range(count)]
        if self._pool is None:
            return _stack([function(self.learner, task, by_autograd) for task in each])
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return _stack(list(self._pool.map(lambda task: self._with_own_learner(function, task), each)))
        finally:
            torch.set_num_threads(before)

    def _with_own_learner(self, function: TaskFunction, task: TaskTensors) -> pytree.PyTree:
        learner = self._learners.get()
        try:
            return function(learner, task, by_autograd)
        finally:
            self._learners.put(learner)


def _stack(results: Sequence[pytree.PyTree]) -> pytree.PyTree:
    return pytree.tree_map(lambda *leaves: torch.stack(leaves), *results)
