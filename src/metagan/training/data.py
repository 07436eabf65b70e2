"""Batches of tasks for meta-training, each a pure function of (seed, meta-step)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import torch
from torch.utils.data import IterableDataset

from metagan.meta.learners import TaskTensors
from metagan.nets.exemplars import evenly
from metagan.parameters import MetaTrain, Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import TaskStream, task_stream
from metagan.training.processes import WHOLE

_NOISE_SEED = 104_729  # keeps the noise of task i apart from everything else that `seed` seeds


def task_noise(seed: int, index: int, *shape: int) -> torch.Tensor:
    """Standard normal noise of task `index`."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + index) * _NOISE_SEED % 2**63)
    return torch.randn(*shape, generator=generator)


def generation_tasks(
    stream: TaskStream, split: str, indices: range, k_shot: int, n_query: int, steps: int, networks: Networks
) -> tuple[TaskTensors, list[int]]:
    """The tensors of `GanLearner` for the tasks of `indices`, stacked along a first axis, and their class indices."""
    tasks = [stream.generation_task(split, index, k_shot, n_query) for index in indices]
    noise = [_noise(stream.seed, index, (1, steps, k_shot, n_query), networks) for index in indices]
    inner, outer = (torch.cat(parts) for parts in zip(*noise, strict=True))
    return {
        "support": torch.stack([task.support for task in tasks]),
        "query": torch.stack([task.query for task in tasks]),
        "inner_noise": inner,
        "outer_noise": outer,
    }, [task.class_index for task in tasks]


def validation_tasks(
    bank: TaskBank, settings: MetaTrain, seed: int, steps: int, at_most: int | None = None
) -> tuple[TaskTensors, list[int]]:
    """The tasks of val classes that choices are made on, or the first of them, with noise for `steps` inner steps."""
    indices = range(settings.validation_tasks)[:at_most]
    shape = (settings.k_shot, settings.n_query, steps)
    return generation_tasks(task_stream(bank, seed), "val", indices, *shape, settings.networks)


def sampling_tasks(supports: torch.Tensor, steps: int, n: int, seed: int, networks: Networks) -> TaskTensors:
    """Tasks without query images: supports (T, K, C, H, W), noise for `steps` inner steps and for `n` samples."""
    count, k_shot = supports.shape[:2]
    inner, outer = _noise(seed, 0, (count, steps, k_shot, n), networks)
    return {"support": supports, "inner_noise": inner, "outer_noise": outer}


def _noise(
    seed: int, index: int, shape: tuple[int, int, int, int], networks: Networks
) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, steps, 2, K, Z) for inner steps and (T, n, Z) for samples, by shape (T, steps, K, n)."""
    count, steps, k_shot, n = shape
    drawn = task_noise(seed, index, count, 2 * steps * k_shot + n, networks.noise_size)
    return led(drawn[:, n:].unflatten(1, (steps, 2, k_shot)), networks), led(drawn[:, :n], networks)


def led(noise: torch.Tensor, networks: Networks) -> torch.Tensor:
    """Noise (..., n, Z) as it is or, where one of the exemplars leads, with all of them leading in turn."""
    return evenly(noise, torch.special.ndtr(noise[..., 0, 0])) if networks.lead else noise


class TaskBatches(IterableDataset[TaskTensors]):
    """The endless stream of batches of `tasks_per_step` tasks from meta-step `start` on, drawn by their indices; of
    each the `share` of one process."""

    def __init__(
        self, draw: Callable[[range], TaskTensors], tasks_per_step: int, start: int, share: slice = WHOLE
    ) -> None:
        self.draw, self.tasks_per_step, self.start, self.share = draw, tasks_per_step, start, share

    def __iter__(self) -> Iterator[TaskTensors]:
        for meta_step in count(self.start):
            first = meta_step * self.tasks_per_step
            yield self.draw(range(first, first + self.tasks_per_step)[self.share])
