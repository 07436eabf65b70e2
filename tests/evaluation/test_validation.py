from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.evaluation.diversity import diversity
from metagan.evaluation.features import embed_images
from metagan.evaluation.frechet import frechet_joint_distance
from metagan.evaluation.recognisability import recognisability
from metagan.evaluation.validation import validation_metrics
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task

Embed = Callable[[Tensor], Tensor]
Images = tuple[Tensor, Tensor, Tensor, np.ndarray]


@pytest.fixture
def images(make_bank: Callable[..., TaskBank]) -> Images:
    """Samples (noise at the first step, real images of the class at the second), supports, queries, classes."""
    tasks = [generation_task(make_bank(), "test", 0, index, 4, 16) for index in range(12)]
    real = torch.stack([task.query for task in tasks])
    noise = torch.rand(real[:, 8:].shape, generator=torch.Generator().manual_seed(0))
    samples = torch.stack([noise, real[:, 8:]], dim=1)
    supports = torch.stack([task.support for task in tasks])
    return samples, supports, real[:, :8], np.array([task.class_index for task in tasks])


def test_each_step_is_measured_by_the_metrics_themselves(embed: Embed, images: Images) -> None:
    samples, supports, queries, classes = images
    metrics = validation_metrics(embed, samples, supports, queries, classes, seed=3)
    shown, real = embed_images(embed, supports), embed_images(embed, queries)
    conditions = np.repeat(shown.mean(axis=1), 8, axis=0)
    for step in (0, 1):
        made = embed_images(embed, samples[:, step])
        assert metrics["recognisability"][step] == recognisability(made, real, classes, seed=3)
        assert metrics["diversity"][step] == diversity(made, real)
        expected = frechet_joint_distance(made.reshape(96, 16), real.reshape(96, 16), conditions)
        assert metrics["fjd"][step] == pytest.approx(expected)


def test_real_images_beat_noise(embed: Embed, images: Images) -> None:
    metrics = validation_metrics(embed, *images, seed=0)
    assert metrics["recognisability"][1] > 0.9 > 0.3 > metrics["recognisability"][0]
    assert metrics["fjd"][1] < 0.1 * metrics["fjd"][0]
    assert metrics["diversity"][1] == pytest.approx(1.0, abs=0.1)


def test_samples_and_queries_may_differ_in_number(embed: Embed, images: Images) -> None:
    samples, supports, queries, classes = images
    metrics = validation_metrics(embed, samples[:, :, :5], supports, queries, classes, seed=0)
    fewer_queries = validation_metrics(embed, samples[:, :, :5], supports, queries[:, :5], classes, seed=0)
    assert metrics["fjd"] == fewer_queries["fjd"]


def test_a_diverged_generator_scores_badly_instead_of_failing(embed: Embed, images: Images) -> None:
    samples, supports, queries, classes = images
    samples = samples.clone()
    samples[:, 1] = torch.nan
    metrics = validation_metrics(embed, samples, supports, queries, classes, seed=0)
    assert metrics["diversity"][1] == 0.0
    assert metrics["recognisability"][1] < 0.3
