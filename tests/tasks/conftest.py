"""Small sources and banks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from metagan.domains import stored_example
from metagan.tasks.bank import BankPlan, TaskBank
from metagan.tasks.sources.base import SPLITS, ClassRecord, Images, Source

IMAGES_OF_CLASS = (20, 7, 12, 20, 9, 15)


def numbered_images(class_index: int, n_images: int, channels: int, image_size: int) -> Images:
    """Noise whose first pixel is the class and whose second is the image."""
    images = np.random.default_rng(class_index).integers(0, 256, (n_images, channels, image_size, image_size), np.uint8)
    images[:, :, 0, 0] = class_index
    images[:, :, 0, 1] = np.arange(n_images)[:, None]
    return images


def numbered_source(channels: int = 1, image_size: int = 16, counts: tuple[int, ...] = IMAGES_OF_CLASS) -> Source:
    """Class i in split i modulo 3, group i modulo 2."""
    classes = tuple(ClassRecord(f"class {i}", f"group {i % 2}", SPLITS[i % 3], n) for i, n in enumerate(counts))
    drawings = tuple(partial(numbered_images, i, n, channels, image_size) for i, n in enumerate(counts))
    example = stored_example("image", (channels, image_size, image_size))
    return Source("numbered", "made for tests", example, classes, drawings)


@pytest.fixture
def source() -> Source:
    return numbered_source()


@pytest.fixture
def bank(tmp_path: Path, source: Source) -> TaskBank:
    return BankPlan(source, workers=1).write(tmp_path / "bank", progress=False)
