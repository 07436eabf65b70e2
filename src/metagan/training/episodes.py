"""Episodes as tensors for classifiers, each a pure function of (seed, index)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from metagan.meta.learners import TaskTensors
from metagan.tasks.streams import TaskStream

_START_SEED = 15_485_863  # keeps the random starts of attacks apart from everything else that `seed` seeds


def episode_task(
    stream: TaskStream, split: str, index: int, n_way: int, k_shot: int, n_query: int, norm: str = "linf"
) -> TaskTensors:
    """The tensors of `ClassifierLearner` for episode `index`: images (N K, C, H, W) in class order and their labels.

    `support_classes` and `query_classes` count the train classes of the bank, as `FineTuneLearner` needs them; starts
    are uniform on [-1, 1] for attacks in linf and standard normal for those in l2.
    """
    drawn = stream.episode(split, index, n_way, k_shot, n_query)
    ways = torch.arange(n_way)
    position = {int(class_index): place for place, class_index in enumerate(stream.bank.splits["train"])}
    classes = torch.tensor([position.get(class_index, -1) for class_index in drawn.class_indices])
    generator = torch.Generator().manual_seed((stream.seed * 1_000_003 + index) * _START_SEED % 2**63)
    task = {"ways": ways}
    for part, images, number in (("support", drawn.support, k_shot), ("query", drawn.query, n_query)):
        task[part] = images.flatten(0, 1)
        task[f"{part}_labels"] = ways.repeat_interleave(number)
        task[f"{part}_classes"] = classes.repeat_interleave(number)
        task[f"{part}_start"] = random_start(task[part], norm, generator)
    return task


def stacked(tasks: Sequence[TaskTensors]) -> TaskTensors:
    """Tasks of one shape along a first axis."""
    return {name: torch.stack([task[name] for task in tasks]) for name in tasks[0]}


def random_start(images: Tensor, norm: str, generator: torch.Generator) -> Tensor:
    """What `perturb` makes a random start from."""
    if norm == "l2":
        return torch.randn(images.shape, generator=generator)
    return torch.rand(images.shape, generator=generator) * 2 - 1
