"""Coloured shapes: what classes share, what their images differ in, and that a small judge tells them apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import Source


def colours(image_size: int = 32, seed: int = 0) -> Source:
    return SOURCES["colours"](Tasks(source="colours", channels=3, image_size=image_size), seed, Path("nowhere"))


@pytest.mark.parametrize("image_size", [32, 64])
def test_classes_of_24_colour_images_in_both_sizes(image_size: int) -> None:
    source = colours(image_size)
    assert Counter(record.split for record in source.classes) == {"train": 176, "val": 24, "test": 40}
    assert len({record.name for record in source.classes}) == 240
    assert {record.n_images for record in source.classes} == {24}
    assert Tasks(source="colours", channels=3).smallest_class == 24
    images = source.render(7)
    assert images.shape == (24, 3, image_size, image_size) and images.dtype == np.uint8


def test_the_same_pictures_at_any_size() -> None:
    small, large = (colours(size).render(3).astype(float) for size in (32, 64))
    halved = large.reshape(24, 3, 32, 2, 32, 2).mean((3, 5))
    assert np.abs(halved - small).mean() < 2.5


def test_images_differ_in_pose_and_light_and_classes_in_looks() -> None:
    source = colours()
    images = np.stack([source.render(index) for index in range(0, 240, 12)]).astype(float)
    assert len(np.unique(images.reshape(-1, 3 * 32 * 32), axis=0)) == 20 * 24
    assert images.std(axis=(3, 4)).mean(axis=(1, 2)).min() > 8  # shaded and textured, not flat
    grey = images.mean(axis=2, keepdims=True)
    assert np.abs(images - grey).mean() > 20  # in colour
    # The mean colours of 3 x 3 fields are enough to tell most of 20 classes apart from 12 images each.
    fields = images[..., 1:31, 1:31].reshape(20, 24, 3, 3, 10, 3, 10).mean((4, 6)).reshape(20, 24, -1)
    labels = np.repeat(np.arange(20), 12)
    judge = KNeighborsClassifier(1).fit(fields[:, :12].reshape(240, -1), labels)
    assert judge.score(fields[:, 12:].reshape(240, -1), labels) > 0.8


def test_images_follow_the_seed_alone() -> None:
    assert np.array_equal(colours().render(5), colours().render(5))
    assert not np.array_equal(colours().render(5), colours(seed=1).render(5))
    assert [r.split for r in colours().classes] != [r.split for r in colours(seed=1).classes]
