"""What samples add to few real images: the protocol of DAGAN (arXiv 1711.04340), FIGR and F2GAN on Omniglot."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.confidence import mean_and_ci95
from metagan.evaluation.from_scratch import Trial, accuracies
from metagan.evaluation.plane import check_ways, images_of
from metagan.evaluation.use import Group, Sampler, stored_samples
from metagan.parameters import OneShot
from metagan.tasks.bank import TaskBank

ARMS = ("none", "traditional", "samples", "traditional_samples")
"""Real images alone; jittered; with samples; with samples, all jittered."""


def augmentation(bank: TaskBank, sampler: Sampler, most: int, settings: OneShot, seed: int) -> dict[str, Any]:
    """Accuracy in percent of classifiers from scratch, for each number of real images and each of ARMS.

    A mean over class splits: `n_way` of the test classes at random, and of each class as many drawings for training;
    the others test. The model adapts to at most `most` drawings at once, in several parts where there are more.

    Raises:
        UserError: there are fewer test classes than ways.
    """
    chosen = settings.augmentation
    classes = bank.splits["test"]
    check_ways("one_shot.augmentation.n_way", chosen.n_way, classes)
    images = bank.domain.to_tensor(images_of(bank, classes))
    splits = [_class_split(images, chosen.n_way, (seed, number)) for number in range(chosen.class_splits)]
    trials = [
        trial
        for number, split in enumerate(splits)
        for n_real in chosen.real_images
        for trial in _trials(
            Group(bank.domain, split[:, :n_real], split[:, n_real:], seed + number), sampler, most, settings
        )
    ]
    shape = (len(splits), len(chosen.real_images), len(ARMS))
    found = 100 * np.reshape(accuracies(trials, chosen.judge_steps), shape)
    rows = {
        str(n_real): {arm: mean_and_ci95(found[:, row, column]) for column, arm in enumerate(ARMS)}
        | {"gain": mean_and_ci95(found[:, row, -1] - found[:, row, 1])}
        for row, n_real in enumerate(chosen.real_images)
    }
    return {
        "n_way": chosen.n_way,
        "class_splits": chosen.class_splits,
        "test_classes": len(images),
        "samples_per_class": chosen.samples,
        "step": settings.step,
        "real_images": rows,
    }


def _class_split(images: Tensor, n_way: int, seed: tuple[int, int]) -> Tensor:
    """(n_way, n, C, H, W): some of the classes of (T, n, C, H, W), the drawings of each in another order."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(len(images))[:n_way]
    order = np.stack([generator.permutation(images.shape[1]) for _ in classes])
    return images[torch.from_numpy(classes)[:, None], torch.from_numpy(order)]


def _trials(group: Group, sampler: Sampler, most: int, settings: OneShot) -> list[Trial]:
    """One trial for each of ARMS."""
    n_real = group.support.shape[1]
    parts = torch.tensor_split(group.support, -(-n_real // most), dim=1)
    n, step = -(-settings.augmentation.samples // len(parts)), (settings.step,)
    made = [stored_samples(group.domain, sampler, part, step, n, group.seed + i) for i, part in enumerate(parts)]
    samples = torch.cat([of_part[:, 0] for of_part in made], 1)
    return [
        group.trial([group.support]),
        group.trial([group.support], jitter=True),
        group.trial([group.support, samples]),
        group.trial([group.support, samples], jitter=True),
    ]
