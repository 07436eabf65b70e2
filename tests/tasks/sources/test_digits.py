from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES


@pytest.mark.parametrize("image_size", [16, 28])
def test_digits_are_the_ten_classes_of_scikit_learn(tmp_path: Path, image_size: int) -> None:
    source = SOURCES["digits"](Tasks(source="digits", image_size=image_size), 0, tmp_path)
    assert Counter(record.split for record in source.classes) == {"train": 6, "val": 2, "test": 2}
    digits = load_digits()
    for digit, record in enumerate(source.classes):
        images = source.render(digit)
        original = digits.images[digits.target == digit]
        assert record.name == str(digit) and record.n_images == len(images) == len(original)
        assert images.shape[1:] == (1, image_size, image_size) and images.dtype == np.uint8
        assert np.corrcoef(images.mean(axis=(1, 2, 3)), original.mean(axis=(1, 2)))[0, 1] > 0.99
        assert images.max() > 240 and np.median(images[:, :, :, 0]) == 0
    assert min(record.n_images for record in source.classes) == Tasks(source="digits").smallest_class


def test_the_split_follows_the_seed(tmp_path: Path) -> None:
    splits = {
        tuple(record.split for record in SOURCES["digits"](Tasks(source="digits"), seed, tmp_path).classes)
        for seed in (0, 0, 1, 2)
    }
    assert len(splits) == 3
