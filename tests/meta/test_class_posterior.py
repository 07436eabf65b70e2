"""Against multivariate normal densities of scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from metagan.meta.class_posterior import ClassPrior, class_prior, log_chances

WITHIN = np.array([[0.5, 0.2], [0.2, 0.3]])
BETWEEN = np.array([[4.0, -1.0], [-1.0, 2.0]])
MEAN = np.array([1.0, -2.0])


def drawn(classes: int, images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    means = generator.multivariate_normal(MEAN, BETWEEN, classes)
    features = means[:, None] + generator.multivariate_normal(np.zeros(2), WITHIN, (classes, images))
    labels = torch.arange(classes).repeat_interleave(images)
    return torch.from_numpy(features).flatten(0, 1), labels


@pytest.fixture(scope="module")
def prior() -> ClassPrior:
    return class_prior(*drawn(20_000, 3))


def test_the_covariances_are_found_again(prior: ClassPrior) -> None:
    back = torch.linalg.inv(prior.basis)
    shrunk = 0.9 * WITHIN + 0.1 * np.eye(2) * np.trace(WITHIN) / 2
    np.testing.assert_allclose(prior.mean, MEAN, atol=0.05)
    np.testing.assert_allclose(back.T @ back, shrunk, atol=0.02)
    np.testing.assert_allclose(back.T @ torch.diag(prior.between) @ back, BETWEEN, atol=0.15)


def test_chances_are_those_of_the_joint_normal(prior: ClassPrior) -> None:
    """The density of query and support together over that of the support, all from the joint covariance."""
    back = torch.linalg.inv(prior.basis).numpy()
    within, between = back.T @ back, back.T @ np.diag(prior.between) @ back
    support, query = drawn(2, 3, seed=1)[0].view(2, 3, 2), drawn(4, 1, seed=2)[0]
    of_class, of_none = log_chances(prior, support.mean(1), torch.tensor([3, 3]), query)

    def joint(features: np.ndarray) -> float:
        count = len(features)
        covariance = np.kron(np.ones((count, count)), between) + np.kron(np.eye(count), within)
        return multivariate_normal.logpdf(features.ravel(), np.tile(prior.mean.numpy(), count), covariance)

    for index, asked in enumerate(query.numpy()):
        for way, known in enumerate(support.numpy()):
            expected = joint(np.concatenate([known, asked[None]])) - joint(known)
            assert of_class[index, way].item() == pytest.approx(expected)
        assert of_none[index].item() == pytest.approx(joint(asked[None]))


def test_who_is_nearest_in_unequal_directions_is_not_who_is_meant(prior: ClassPrior) -> None:
    """One class is nearer by distance, the other by what varies: the posterior says the second."""
    along, across = np.linalg.eigh(WITHIN)[1][:, ::-1].T
    support = torch.from_numpy(np.stack([MEAN + 0.9 * along, MEAN + 0.8 * across]))
    of_class, _ = log_chances(prior, support, torch.ones(2), torch.from_numpy(MEAN)[None])
    assert of_class[0, 0] > of_class[0, 1]


def test_classes_of_one_image_say_nothing_of_what_varies() -> None:
    with pytest.raises(ValueError, match="two images"):
        class_prior(*drawn(10, 1))
