"""Which samples are nearly one of the pictures that they were adapted to?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metagan.evaluation.features import Embed, as_float64, distances, embed_images
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task

QUANTILE = 0.05
"""Share of real images that would be called near copies."""
VAL_TASKS = 100


class NearCopies(NamedTuple):
    """How many there are, and the distance in features below which an image is one."""

    count: int
    limit: float


def near_copies(embed: Embed, bank: TaskBank, samples: Tensor, pictures: Tensor, seed: int) -> NearCopies:
    """Among samples (n, C, H, W) those that are nearly one of the pictures (K, C, H, W)."""
    limit = copy_limit(embed, bank, len(pictures), seed)
    return NearCopies(int((nearest(embed, samples, pictures) < limit).sum()), limit)


def copy_limit(embed: Embed, bank: TaskBank, k_shot: int, seed: int) -> float:
    """The distance in features below which an image is a near copy of one of `k_shot` pictures.

    Of real images of val classes, the share QUANTILE is as near to the nearest of `k_shot` others of their class.
    """
    smallest = min(len(bank.class_images(index)) for index in bank.splits["val"])
    k_shot = min(k_shot, smallest - 1)
    tasks = [generation_task(bank, "val", seed, index, k_shot, smallest - k_shot) for index in range(VAL_TASKS)]
    return float(np.quantile([nearest(embed, task.query, task.support) for task in tasks], QUANTILE))


def nearest(embed: Embed, images: Tensor, pictures: Tensor) -> NDArray[np.float64]:
    """Distance in features from each of the images (n, C, H, W) to the nearest of the pictures (K, C, H, W): (n,)."""
    made, given = (as_float64(embed_images(embed, part)) for part in (images, pictures))
    return distances(made, given).min(1)
