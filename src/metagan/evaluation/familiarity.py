"""Do pictures look like those that a model was trained on?"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from metagan.evaluation.features import embed_images
from metagan.files import shown
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task

TRAIN_IMAGES, VAL_TASKS = 2000, 100


logger = logging.getLogger(__name__)


class Familiarity(NamedTuple):
    """Mean distance of pictures to the train images, and the distance that 99 of 100 val tasks stay below.

    `unlike` (K,) says which pictures are farther than any picture of 99 of 100 val tasks; where none is, though the
    mean is past the limit, which are past that.
    """

    distance: float
    limit: float
    unlike: NDArray[np.bool_]


def familiarity(embedder: nn.Module, bank: TaskBank, pictures: Tensor, seed: int) -> Familiarity:
    """How far pictures (K, C, H, W) in [0, 1] are from the train images, and how far val tasks of K images are.

    Mahalanobis distance of the activations of all blocks (Lee et al. 2018, arXiv 1807.03888, without its classes):
    the embedder's output alone is as near for noise as for letters.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(bank.places("train"))[:TRAIN_IMAGES])
    images = bank.domain.to_tensor(bank.images[chosen])
    fitted = LedoitWolf().fit(embed_images(embedder.activations, images))

    def distances(images: Tensor) -> NDArray[np.float64]:
        return np.sqrt(fitted.mahalanobis(embed_images(embedder.activations, images)))

    count = min(len(pictures), *(len(bank.class_images(i)) for i in bank.splits["val"]))
    tasks = [generation_task(bank, "val", seed, index, count, 0) for index in range(VAL_TASKS)]
    of_tasks = np.stack([distances(task.support) for task in tasks])
    limit, farthest = np.quantile(of_tasks.mean(1), 0.99), np.quantile(of_tasks.max(1), 0.99)
    found = distances(pictures)
    unlike = found > farthest
    if found.mean() > limit and not unlike.any():
        unlike = found > limit
    return Familiarity(float(found.mean()), float(limit), unlike)


def unlike_files(found: Familiarity, files: Sequence[Path], folder: Path) -> list[str]:
    """The names of the files in a folder that are unlike, which a warning tells."""
    unlike = [shown(file.relative_to(folder)) for file, is_unlike in zip(files, found.unlike, strict=True) if is_unlike]
    if unlike:
        logger.warning(
            "The files look unlike what the model was trained on: %s. Together they are at a distance of %.1f; 99 "
            "of 100 tasks of val classes are within %.1f. Expect poor samples.",
            ", ".join(unlike),
            found.distance,
            found.limit,
        )
    return unlike
