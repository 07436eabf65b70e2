from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.evaluation.near_copies import QUANTILE, copy_limit, nearest
from metagan.tasks.bank import TaskBank


@pytest.fixture(scope="module")
def bank(make_bank: Callable[..., TaskBank]) -> TaskBank:
    """Every class a val class."""
    whole = make_bank(24)
    return replace(whole, classes=tuple(replace(record, split="val") for record in whole.classes))


def test_nearest_is_the_distance_to_the_nearest_picture(embed: Callable[[Tensor], Tensor]) -> None:
    images, pictures = torch.rand(2, 5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = [
        min(np.linalg.norm(embed(image[None])[0] - embed(picture[None])[0]) for picture in pictures) for image in images
    ]
    assert nearest(embed, images, pictures) == pytest.approx(expected, rel=1e-4)
    assert nearest(embed, pictures, pictures).tolist() == [0.0] * 5


@pytest.mark.parametrize("k_shot", [1, 4, 100])
def test_real_images_are_called_copies_as_seldom_as_it_says(
    k_shot: int, bank: TaskBank, embed: Callable[[Tensor], Tensor]
) -> None:
    limit = copy_limit(embed, bank, k_shot, seed=0)
    k_shot = min(k_shot, 23)
    generator, found = np.random.default_rng(1), []
    for index in [*range(24)] * 20:
        images = bank.domain.to_tensor(bank.class_images(index)[generator.permutation(24)])
        found.append(nearest(embed, images[k_shot:], images[:k_shot]) < limit)
    assert np.concatenate(found).mean() == pytest.approx(QUANTILE, abs=0.04)


def test_copies_are_found_though_they_are_not_the_same_pixel_by_pixel(
    bank: TaskBank, embed: Callable[[Tensor], Tensor]
) -> None:
    limit = copy_limit(embed, bank, 8, seed=0)
    pictures = bank.domain.to_tensor(bank.class_images(0)[:8])
    others = bank.domain.to_tensor(bank.class_images(0)[8:])
    assert (nearest(embed, (pictures + 0.01).clamp(0, 1), pictures) < limit).all()
    assert (nearest(embed, others, pictures) < limit).mean() < 0.3
