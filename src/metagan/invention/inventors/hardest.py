"""Mixes of classes that a few-shot classifier finds hardest, held near the data by a density."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metagan.evaluation.features import embed_images
from metagan.invention.inventors.base import Draft, Studio
from metagan.parameters import Invent

MIXED = 3


def hardest(studio: Studio, settings: Invent, count: int, generator: np.random.Generator) -> list[Draft]:
    """Tasks of `n_way` mixes of three parents each. Adam ascends the task's 1-shot loss over the mixing weights, which
    begin at random, plus `density` times the log density of the mixes' images among those of the parents."""
    data = density_of(studio)
    drafts: list[Draft] = []
    while len(drafts) < count:
        drafts += _task(studio, settings, data, generator)
    return drafts[:count]


def density_of(studio: Studio) -> tuple[Tensor, float]:
    """The mean features of each parent (T, F), and the mean squared distance from one to the nearest other."""
    pictures = [studio.bank.domain.to_tensor(studio.bank.class_images(place)) for place in studio.parents]
    centres = torch.stack([torch.from_numpy(embed_images(studio.classifier, part)).mean(0) for part in pictures])
    apart = torch.cdist(centres, centres).square().fill_diagonal_(torch.inf)
    return centres, float(apart.min(1).values.mean())


def log_density(features: Tensor, centres: Tensor, width: float) -> Tensor:
    """(N,) of features (N, F): logarithm of a sum of Gaussians around centres (T, F) of the variance `width`."""
    return torch.logsumexp(-torch.cdist(features, centres).square() / (2 * width), 1)


def _task(studio: Studio, settings: Invent, data: tuple[Tensor, float], generator: np.random.Generator) -> list[Draft]:
    wanted = settings.hardest
    places = [studio.chosen(MIXED, generator) for _ in range(wanted.n_way)]
    parents = torch.stack([studio.codes[own] for own in places])
    logits = torch.from_numpy(generator.standard_normal((wanted.n_way, MIXED))).float().requires_grad_()
    optimiser = torch.optim.Adam([logits], wanted.learning_rate, maximize=True)
    for _ in range(wanted.steps):
        features = studio.classifier(_drawn(studio, parents, logits, generator).flatten(0, 1))
        loss = one_shot_loss(features.unflatten(0, (wanted.n_way, -1)))
        optimiser.zero_grad()
        (loss + wanted.density * log_density(features, *data).mean()).backward()
        optimiser.step()
    with torch.no_grad():
        images = _drawn(studio, parents, logits, generator)
        loss = one_shot_loss(studio.classifier(images.flatten(0, 1)).unflatten(0, (wanted.n_way, -1)))
    way = f"of a task with a loss of {loss:.2f} after {wanted.steps} steps uphill"
    return [
        Draft(own, studio.named(parents_of), tuple(weights), way)
        for own, parents_of, weights in zip(images, places, logits.softmax(1).tolist(), strict=True)
    ]


def _drawn(studio: Studio, parents: Tensor, logits: Tensor, generator: np.random.Generator) -> Tensor:
    """Images (N, K, C, H, W) of mixes of parents (N, MIXED, D) by logits (N, MIXED)."""
    codes = torch.einsum("np,npd->nd", logits.softmax(1), parents)
    return torch.stack([studio.draw(code, generator) for code in codes])


def one_shot_loss(features: Tensor) -> Tensor:
    """Cross-entropy of a prototypical classifier (Snell et al. 2017) that has seen the first of each class's images.

    Features (N, K, F), K of at least 2.
    """
    distances = torch.cdist(features[:, 1:].flatten(0, 1), features[:, 0]).square()
    return F.cross_entropy(-distances, torch.arange(len(features)).repeat_interleave(features.shape[1] - 1))
