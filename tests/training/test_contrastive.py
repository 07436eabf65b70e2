from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from metagan.errors import UserError
from metagan.parameters import Contrast
from metagan.tasks.bank import TaskBank
from metagan.training.contrastive import VIEW_CHANGES, contrastive_loss, train_contrast, view
from metagan.training.embedder import load_embedder

SETTINGS = Contrast(width=8, feature_size=16, projection_size=8, batch_size=16, steps=40, learning_rate=3e-3)


def by_hand(vectors: np.ndarray, temperature: float) -> float:
    """Equation 1 of arXiv 2002.05709, a mean over all views, in plain loops."""
    n, losses = len(vectors) // 2, []
    unit = [vector / np.sqrt(sum(vector**2)) for vector in vectors]
    for i in range(2 * n):
        other = (i + n) % (2 * n)
        similar = [np.exp(float(unit[i] @ unit[k]) / temperature) for k in range(2 * n) if k != i]
        losses.append(-np.log(np.exp(float(unit[i] @ unit[other]) / temperature) / sum(similar)))
    return float(np.mean(losses))


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_is_that_of_the_paper(temperature: float) -> None:
    vectors = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    expected = by_hand(vectors.double().numpy(), temperature)
    assert contrastive_loss(vectors, temperature).item() == pytest.approx(expected, rel=1e-5)
    same = torch.cat([vectors[:5], vectors[:5]])
    assert contrastive_loss(same, temperature) < contrastive_loss(vectors, temperature)


def test_views_are_black_and_white_and_differ(bank: TaskBank) -> None:
    images = bank.domain.to_tensor(bank.images[:20])
    generator = torch.Generator().manual_seed(0)
    first, second = (view(bank.domain, images, generator) for _ in range(2))
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(first, second)
    assert len(VIEW_CHANGES) == len(bank.domain.largest_changes)


def test_views_of_a_drawing_come_nearer_than_other_drawings(bank: TaskBank) -> None:
    network = load_embedder(train_contrast(bank, SETTINGS, 0, progress=False), bank)
    images = bank.domain.to_tensor(bank.images[bank.places("train")][::7])
    generator = torch.Generator().manual_seed(5)
    both = torch.cat([view(bank.domain, images, generator) for _ in range(2)])
    before = load_embedder(
        train_contrast(bank, SETTINGS.model_copy(update={"steps": 1, "learning_rate": 1e-9}), 0, False), bank
    )
    assert contrastive_loss(network(both), 0.5) < contrastive_loss(before(both), 0.5) - 0.1


def test_train_classes_alone_are_seen(bank: TaskBank, make_bank: Callable[..., TaskBank]) -> None:
    images = bank.images.copy()
    for split in ("val", "test"):
        images[bank.places(split)] ^= 255
    first, second = (
        train_contrast(given, SETTINGS.model_copy(update={"steps": 3}), 0, False)
        for given in (bank, replace(bank, images=images))
    )
    assert first.content_hash == second.content_hash
    images[bank.places("train")] ^= 255
    changed = train_contrast(replace(bank, images=images), SETTINGS.model_copy(update={"steps": 3}), 0, False)
    assert changed.content_hash != first.content_hash


def test_a_batch_larger_than_the_split_is_told(bank: TaskBank) -> None:
    with pytest.raises(UserError, match=r"one_shot\.contrast\.batch_size: 81, but there are 80 drawings"):
        train_contrast(bank, SETTINGS.model_copy(update={"batch_size": 81}), 0, False)
