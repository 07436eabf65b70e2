"""A bank of drawings in memory, what looks at them, and a studio of untrained networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from metagan.domains import stored_example
from metagan.invention.checks import Checks
from metagan.invention.inventing import Inventions, invent
from metagan.invention.inventors import Studio
from metagan.invention.inventors.base import open_studio
from metagan.parameters import GanArchitecture, InnerLoop, Invent
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord, Images
from metagan.training.gan import initial_gan

SIZE, N_IMAGES = 16, 12
SPLIT_SIZES = {"train": 30, "val": 24, "test": 24}


class Pooled(nn.Module):
    """Averages of blocks of 2 x 2 pixels as features."""

    def forward(self, images: Tensor) -> Tensor:
        return 4 * nn.functional.avg_pool2d(images, 2).flatten(1)


def drawings(character: int, seed: int = 0) -> Images:
    """Drawings (n, 1, H, W) of a path of four strokes, each with a shaking hand."""
    path = np.random.default_rng(character).uniform(10, 86, (5, 2))
    made = []
    for drawer in range(N_IMAGES):
        shaking = np.random.default_rng((character, drawer, seed)).normal(0, 5, path.shape)
        sheet = Image.new("L", (96, 96))
        ImageDraw.Draw(sheet).line([tuple(point) for point in path + shaking], fill=255, width=9)
        made.append(np.asarray(sheet.resize((SIZE, SIZE), Image.Resampling.BOX)))
    return np.stack(made)[:, None]


@pytest.fixture(scope="session")
def draw() -> Callable[..., Images]:
    return drawings


@pytest.fixture(scope="session")
def bank() -> TaskBank:
    splits = [split for split, count in SPLIT_SIZES.items() for _ in range(count)]
    classes = tuple(ClassRecord(f"character {i}", "hand", split, N_IMAGES) for i, split in enumerate(splits))
    images = np.concatenate([drawings(i) for i in range(len(classes))])
    offsets = np.arange(len(classes) + 1) * N_IMAGES
    example = stored_example("image", (1, SIZE, SIZE), on_paper=True)
    return TaskBank(images, offsets, classes, "drawings", example, content_hash="drawings")


@pytest.fixture(scope="session")
def embed() -> nn.Module:
    return Pooled()


@pytest.fixture
def make_settings() -> Callable[..., Invent]:
    """Settings of seconds; keywords change any of them."""

    def make(**changes: Any) -> Invent:
        small = {"classes": 10, "images": N_IMAGES, "parents": 12, "steps": 1, "rounds": 1, "checks": []}
        small["in_rounds"] = {"rounds": 2}
        return Invent.model_validate({**small, "hardest": {"n_way": 3, "steps": 2}, **changes})

    return make


@pytest.fixture(scope="session")
def invented() -> Callable[[Studio, nn.Module, Invent, int], Inventions]:
    """What a studio invents that is unlike all train classes."""

    def invent_classes(studio: Studio, embed: nn.Module, settings: Invent, seed: int) -> Inventions:
        checks = Checks(studio.bank, studio.bank.splits["train"], embed, settings, seed)
        return invent(studio, checks, settings, seed, progress=False)

    return invent_classes


@pytest.fixture(scope="session")
def studio(bank: TaskBank, embed: nn.Module) -> Studio:
    """Of GANs with random weights, but with an encoder that says something."""
    networks = {"generator_width": 8, "discriminator_width": 8, "noise_size": 4, "encoder": True, "exemplars": 2}
    architecture = GanArchitecture(shape=(1, SIZE, SIZE), **networks)
    gan, joint = (initial_gan(architecture, InnerLoop(steps=1), seed) for seed in (0, 1))
    generator = torch.Generator().manual_seed(0)
    for name, value in gan.parameters.items():
        if name.startswith("encoder.to_maps") and name.endswith("weight"):
            gan.parameters[name] = 3 * torch.randn(value.shape, generator=generator)
    return open_studio(bank, gan, joint, embed, Invent(parents=12, steps=1), 0, bank.splits["train"])
