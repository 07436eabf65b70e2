from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from metagan.meta.class_posterior import class_prior
from metagan.meta.differentiation import Parameters
from metagan.meta.learners import TaskTensors
from metagan.meta.methods.posterior import as_parameters

Build, MakeTask = Callable[..., Any], Callable[..., TaskTensors]
TEMPERATURE = 2.5


@pytest.fixture
def built(build: Build) -> Any:
    return build("posterior", transductive=False)


@pytest.fixture
def trained(built: Any) -> Parameters:
    """With a prior of random features, which vary more in some directions than in others."""
    size = built.network.feature_size
    generator = torch.Generator().manual_seed(1)
    scales = torch.linspace(0.2, 2.0, size, dtype=torch.float64)
    means = torch.randn(40, 1, size, dtype=torch.float64, generator=generator)
    features = means + scales * torch.randn(40, 6, size, dtype=torch.float64, generator=generator)
    prior = class_prior(features.flatten(0, 1), torch.arange(40).repeat_interleave(6))
    return {**built.parameters, **as_parameters(prior, torch.tensor(TEMPERATURE))}


def test_it_trains_as_prototypical_networks_do(build: Build, built: Any, make_task: MakeTask) -> None:
    task, other = make_task(), build("prototypical", transductive=False)
    gradients, expected = built.gradient(task), other.gradient(task)
    assert gradients.keys() == expected.keys()
    assert all(torch.equal(gradients[name], expected[name]) for name in gradients)


def test_logits_are_densities_given_the_support_set(built: Any, trained: Parameters, make_task: MakeTask) -> None:
    """From the joint normal of support and query features, for classes of one, two and three images."""
    task = make_task()
    chosen = torch.tensor([0, 2, 3, 4, 5, 4])
    task = {**task, "support": task["support"][chosen], "support_labels": torch.tensor([0, 1, 1, 2, 2, 2])}
    logits = built.learner.predictor(trained, task)(task["query"])
    support, query = (built.learner.embed(trained, task[part]).detach().numpy() for part in ("support", "query"))
    back = torch.linalg.inv(trained["prior.basis"]).numpy()
    within, between, mean = back.T @ back, back.T @ np.diag(trained["prior.between"]) @ back, trained["prior.mean"]

    def joint(features: np.ndarray) -> float:
        count = len(features)
        covariance = np.kron(np.ones((count, count)), between) + np.kron(np.eye(count), within)
        return multivariate_normal.logpdf(features.ravel(), np.tile(mean.numpy(), count), covariance)

    for index, asked in enumerate(query):
        for way in range(3):
            known = support[task["support_labels"].numpy() == way]
            expected = (joint(np.concatenate([known, asked[None]])) - joint(known)) / TEMPERATURE
            assert logits[index, way].item() == pytest.approx(expected, rel=1e-6)


def test_an_attack_finds_the_gradient(built: Any, trained: Parameters, make_task: MakeTask) -> None:
    task = make_task()
    predict, labels = built.learner.predictor(trained, task), task["query_labels"]
    images = task["query"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(predict(images), labels), images)
    direction = torch.randn(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    step = 1e-6 * direction
    there, back = (torch.nn.functional.cross_entropy(predict(task["query"] + sign * step), labels) for sign in (1, -1))
    assert (gradient * direction).sum().item() == pytest.approx((there - back).item() / 2e-6, rel=1e-5)
    assert gradient.abs().max() > 0
