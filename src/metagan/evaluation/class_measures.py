"""What is asked of new classes, and the limits of what real classes that nobody has seen answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from metagan.evaluation.class_distances import class_distances, nearest_other
from metagan.evaluation.features import Embed, Features, as_float64, embed_images
from metagan.evaluation.recognisability import N_WAY
from metagan.tasks.bank import ClassIndices, TaskBank

Values = NDArray[np.float64]
LOW, HIGH = 0.05, 0.95
COPY = 0.01
"""Share of real classes that would be called copies."""


class Limits(NamedTuple):
    """Quantiles of real classes: distances to the nearest train class, below the first of which a class is a copy and
    between the others as new as real ones; how often a class is recognised at least; how far a class is from the
    nearest other one at least; and how grey its images are at most."""

    copy: float
    low: float
    high: float
    recognised: float
    apart: float
    grey: float


def limits_of(real: Tensor, features: Values, train: Values, seed: int, copy: float = COPY) -> Limits:
    """Of images (T, n, C, H, W) and features (T, n, F) of unseen real classes, and features (A, n, F) of train
    classes."""
    near = class_distances(features, train).min(1)
    return Limits(
        *np.quantile(near, (copy, LOW, HIGH)).tolist(),
        recognised=float(np.quantile(recognised(features, seed), LOW)),
        apart=float(np.quantile(nearest_other(features), LOW)),
        grey=float(np.quantile(greyness(real), HIGH)),
    )


def class_tensors(bank: TaskBank, classes: ClassIndices, most: int) -> Tensor:
    """Images (T, n, C, H, W) in [0, 1] of classes: the first `most`, or as many as all of them have."""
    count = min(most, *(len(bank.class_images(index)) for index in classes))
    images = np.stack([bank.class_images(index)[:count] for index in classes])
    return bank.domain.to_tensor(images)


def class_features(embed: Embed, images: Tensor) -> Values:
    """Features (T, n, F) of images (T, n, C, H, W)."""
    return as_float64(embed_images(embed, images))


def recognised(features: Features, seed: int, n_way: int = N_WAY) -> Values:
    """(T,) how often an image of each class is given to it, by 1-shot decisions among classes (T, n, F).

    Every image has a decision of its own: another image of its class against one of each of `n_way` - 1 other classes,
    or of all where there are fewer, nearest in Euclidean distance, a tie counting as wrong. T and n are at least 2.
    """
    values, generator = as_float64(features), np.random.default_rng(seed)
    count, images, _ = values.shape
    others = min(n_way, count) - 1
    shares = np.zeros(count)
    for own in range(count):
        rest = np.delete(np.arange(count), own)
        for place in range(images):
            rivals = values[generator.permutation(rest)[:others], generator.integers(images, size=others)]
            shown = values[own, (place + generator.integers(1, images)) % images]
            distances = ((np.vstack([shown[None], rivals]) - values[own, place]) ** 2).sum(1)
            shares[own] += distances[0] < distances[1:].min()
    return shares / images


def greyness(images: Tensor) -> Values:
    """(T,) of images (T, n, C, H, W): the share of their ink p that is as far as 1 - p from black, a mean over images;
    0 in black and white, and without ink."""
    grey, ink = ((values.flatten(2).mean(2)) for values in (images * (1 - images), images))
    return (grey / ink.clamp(min=1e-6)).mean(1).double().numpy()


def blank(images: Tensor) -> NDArray[np.bool_]:
    """(T,) whether classes (T, n, C, H, W) have an image that spans less than half of the range."""
    flat = images.flatten(2)
    return (flat.amax(2) - flat.amin(2) < 0.5).any(1).numpy()
