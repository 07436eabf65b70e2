"""Classes whose widths a few of their images tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metagan.meta.amortised_variance import LARGEST_LOG, VarianceNetwork, trained_on
from metagan.meta.class_posterior import class_prior, log_chances
from metagan.meta.methods.prototypical import class_means

SHAPE = (4, 5, 5)


def narrow_and_wide(seed: int, classes: int = 60, images: int = 20) -> tuple[Tensor, Tensor]:
    """Features of classes of which every second is six times as wide as the others."""
    generator = np.random.default_rng(seed)
    widths = np.where(np.arange(classes) % 2, 3.0, 0.5)[:, None, None]
    features = generator.normal(0, 2, (classes, 1, 3)) + widths * generator.normal(size=(classes, images, 3))
    return torch.from_numpy(features).float().flatten(0, 1), torch.arange(classes).repeat_interleave(images)


def loss_of(network: VarianceNetwork | None, seed: int) -> float:
    """Mean surprise at queries of new classes, by the prior of those of seed 0."""
    prior = class_prior(*narrow_and_wide(0))
    features = narrow_and_wide(seed)[0].view(15, 4, 20, 3)
    ways, total = torch.arange(4), 0.0
    for own in features:
        support, query = own[:, :5].flatten(0, 1), own[:, 5:].flatten(0, 1)
        labels = ways.repeat_interleave(5)
        factors = network(prior, support, labels, ways) if network else 1.0
        logits, _ = log_chances(prior, class_means(support, labels, ways), torch.full((4,), 5), query, factors)
        total += F.cross_entropy(logits, ways.repeat_interleave(15)).item()
    return total / len(features)


@pytest.fixture(scope="module")
def network() -> VarianceNetwork:
    features, labels = narrow_and_wide(0)
    return trained_on(class_prior(features, labels), features, labels, SHAPE, 0)


def test_before_training_it_is_the_posterior() -> None:
    features, labels = narrow_and_wide(0, classes=4)
    factors = VarianceNetwork()(class_prior(features, labels), features, labels, torch.arange(4))
    assert factors.shape == (4, 3) and (factors == 1).all()


def test_widths_that_differ_are_learned(network: VarianceNetwork) -> None:
    """On classes that it has not met."""
    features, labels = narrow_and_wide(1, classes=40, images=5)
    prior = class_prior(*narrow_and_wide(0))
    factors = network(prior, features, labels, torch.arange(40))
    assert factors[1::2].log().mean() - factors[::2].log().mean() > 1
    assert factors.log().abs().max() <= LARGEST_LOG + 1e-6
    assert loss_of(network, 1) < 0.8 * loss_of(None, 1)


def test_the_order_of_images_and_classes_does_not_matter(network: VarianceNetwork) -> None:
    features, labels = narrow_and_wide(2, classes=4, images=5)
    prior, order = class_prior(*narrow_and_wide(0)), torch.randperm(20, generator=torch.Generator().manual_seed(0))
    plain = network(prior, features, labels, torch.arange(4))
    mixed = network(prior, features[order], labels[order], torch.tensor([2, 0, 3, 1]))
    torch.testing.assert_close(mixed, plain[[2, 0, 3, 1]])


def test_one_image_of_a_class_has_no_spread(network: VarianceNetwork) -> None:
    features, labels = narrow_and_wide(3, classes=4, images=1)
    factors = network(class_prior(*narrow_and_wide(0)), features, labels, torch.arange(4))
    assert factors.isfinite().all() and math.isfinite(factors.log().sum().item())


def test_the_same_seed_trains_the_same(network: VarianceNetwork) -> None:
    features, labels = narrow_and_wide(0)
    again = trained_on(class_prior(features, labels), features, labels, SHAPE, 0)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())


def test_too_few_images_are_refused() -> None:
    features, labels = narrow_and_wide(0, classes=4, images=9)
    with pytest.raises(ValueError, match=r"4 classes of 5 \+ 5 images is more than there are"):
        trained_on(class_prior(features, labels), features, labels, SHAPE, 0)
