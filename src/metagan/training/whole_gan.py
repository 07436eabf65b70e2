"""What a whole GAN training is made of: networks, and all images of some classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.parameters import GanArchitecture
from metagan.parameters.train_with_rule import WholeTraining
from metagan.tasks.bank import TaskBank


def architecture_for(bank: TaskBank, gan: WholeTraining, wide: bool) -> GanArchitecture:
    """The networks; `wide` has a discriminator twice as wide."""
    return GanArchitecture(
        domain=bank.example.domain,
        shape=bank.example.shape,
        generator_width=gan.generator_width,
        discriminator_width=gan.discriminator_width * (2 if wide else 1),
        noise_size=gan.noise_size,
    )


def check_classes(bank: TaskBank, classes: int) -> None:
    """Raises UserError unless every split has so many."""
    for split, there in bank.splits.items():
        if len(there) < classes:
            raise UserError(
                f"train_with_rule.gan.classes: {classes}, but the {split} split of {bank.source} has {len(there)} "
                "classes"
            )


def images_of(bank: TaskBank, split: str, classes: int, generator: np.random.Generator) -> Tensor:
    """(N, C, H, W) all images of so many classes of a split, at random."""
    chosen = np.sort(generator.choice(bank.splits[split], classes, replace=False))
    return torch.cat([bank.domain.to_tensor(bank.class_images(index)) for index in chosen])
