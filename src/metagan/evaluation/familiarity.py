"""Do pictures look like those that a model was trained on?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.covariance import LedoitWolf
from torch import Tensor

from metagan.evaluation.features import embed_images
from metagan.nets.embedder import Embedder
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task, to_floats

TRAIN_IMAGES, VAL_TASKS = 2000, 100


class Familiarity(NamedTuple):
    """Mean distance of pictures to the train images, and the distance that 99 of 100 val tasks stay below."""

    distance: float
    limit: float


def familiarity(embedder: Embedder, bank: TaskBank, pictures: Tensor, seed: int) -> Familiarity:
    """How far pictures (K, C, H, W) in [0, 1] are from the train images, and how far val tasks of K images are.

    Mahalanobis distance of the activations of all blocks (Lee et al. 2018, arXiv 1807.03888, without its classes):
    the embedder's output alone is as near for noise as for letters.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(bank.places("train"))[:TRAIN_IMAGES])
    images = to_floats(bank.images[chosen])
    fitted = LedoitWolf().fit(embed_images(embedder.activations, images))

    def distance(images: Tensor) -> float:
        return float(np.sqrt(fitted.mahalanobis(embed_images(embedder.activations, images))).mean())

    count = min(len(pictures), *(len(bank.class_images(i)) for i in bank.splits["val"]))
    tasks = [generation_task(bank, "val", seed, index, count, 0) for index in range(VAL_TASKS)]
    return Familiarity(distance(pictures), float(np.quantile([distance(task.support) for task in tasks], 0.99)))
