"""The 1,797 handwritten digits that scikit-learn ships: tiny and real."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source, ink

NOTE = "UCI optical recognition of handwritten digits, Alpaydin and Kaynak 1998, as shipped by scikit-learn, CC BY 4.0"


def digits(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Ten classes of about 180 digits each, enlarged from 8x8: six train, two val, two test."""
    digits = load_digits()
    classes, drawings = [], []
    for digit, split in enumerate(splits.at_random(10, 6, 2, seed)):
        small = (digits.images[digits.target == digit] * (255 / 16)).round().astype(np.uint8)
        classes.append(ClassRecord(str(digit), "digits", split, len(small)))
        drawings.append(partial(_enlarged, small, tasks.image_size))
    return Source("digits", NOTE, ink(tasks.image_size), tuple(classes), tuple(drawings))


def _enlarged(small: Images, image_size: int) -> Images:
    size = (image_size, image_size)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in small])[
        :, None
    ]
