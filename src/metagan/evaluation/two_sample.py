"""The classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545): are made images told from real ones?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from metagan.errors import UserError
from metagan.evaluation.from_scratch import Trial, accuracies
from metagan.tasks.sampling import to_bytes, to_floats

SEEDS = 3
STEPS, BATCH_SIZE = 80, 64
UNITS, EPOCHS = 20, 100  # of the network on features: section 4
PIXEL_VIEWS = ("saved", "binarised")
FEATURE_VIEWS = ("neighbours", "network")


def check_halves(classes: Sequence[int] | np.ndarray) -> None:
    """Raises UserError when the classes cannot be halved."""
    if len(np.unique(classes)) < 2:
        raise UserError("evaluate.n_tasks: the two-sample test needs tasks of at least 2 classes, one for each half")


def null_interval(n_tasks: int, n_each: int) -> tuple[float, float]:
    """What 95% of accuracies lie in when nothing can be told, at the number of images of one test half (section 3)."""
    reach = 1.96 * 0.5 / np.sqrt(max(1, n_tasks // 2) * 2 * n_each)
    return 0.5 - float(reach), 0.5 + float(reach)


def two_sample_on_pixels(
    made: Tensor, real: Tensor, classes: np.ndarray, seed: int, workers: int
) -> dict[str, float]:
    """Accuracy of small networks that tell images (T, n, C, H, W) in [0, 1] made for T classes from real ones.

    `saved`: as they are written to 8 bits; `binarised`: at 0.5. Each is a mean over SEEDS halvings of the classes: one
    half trains, the other tests. 0.5 means that nothing can be told, 1 that everything can. Raises UserError when
    there is only one class.
    """
    check_halves(classes)
    views = {"saved": lambda images: images, "binarised": lambda images: (images >= 0.5).float()}
    pair = [to_floats(to_bytes(images)) for images in (made, real)]
    trials = [
        _trial([view(images) for images in pair], halving, seed + number)
        for view in views.values()
        for number, halving in enumerate(_halvings(classes, seed))
    ]
    found = np.reshape(accuracies(trials, STEPS, BATCH_SIZE, workers), (len(views), SEEDS))
    return dict(zip(views, found.mean(1).tolist(), strict=True))


def two_sample_on_features(made: np.ndarray, real: np.ndarray, classes: np.ndarray, seed: int) -> dict[str, float]:
    """The same of features (T, n, F): by the nearest neighbours, as many as the root of the training images, and by a
    network of 20 hidden units (section 4).

    Raises UserError when there is only one class.
    """
    check_halves(classes)
    scores: dict[str, list[float]] = {view: [] for view in FEATURE_VIEWS}
    for number, half in enumerate(_halvings(classes, seed)):
        train, test = (_labelled(made[tasks], real[tasks]) for tasks in (half, ~half))
        mean, spread = train[0].mean(0), train[0].std(0) + 1e-8
        train, test = (((features - mean) / spread, labels) for features, labels in (train, test))
        neighbours = KNeighborsClassifier(max(1, int(len(train[1]) ** 0.5)))
        network = MLPClassifier((UNITS,), max_iter=EPOCHS, random_state=seed + number, early_stopping=False)
        for view, judge in zip(FEATURE_VIEWS, (neighbours, network), strict=True):
            scores[view].append(judge.fit(*train).score(*test))
    return {view: float(np.mean(values)) for view, values in scores.items()}


def _halvings(classes: np.ndarray, seed: int) -> list[np.ndarray]:
    """SEEDS masks (T,) of the tasks whose classes are in one random half."""
    names = np.unique(classes)
    generators = (np.random.default_rng((seed, number)) for number in range(SEEDS))
    return [np.isin(classes, generator.permutation(names)[: len(names) // 2]) for generator in generators]


def _trial(pair: Sequence[Tensor], half: np.ndarray, seed: int) -> Trial:
    chosen = torch.from_numpy(half)
    train = [(images[chosen].flatten(0, 1), label) for label, images in enumerate(pair)]
    test = [(images[~chosen].flatten(0, 1), label) for label, images in enumerate(pair)]
    parts = [(images, torch.full((len(images),), label)) for images, label in train]
    images, labels = zip(*[(images, torch.full((len(images),), label)) for images, label in test], strict=True)
    return Trial(parts, (torch.cat(images), torch.cat(labels)), 2, seed)


def _labelled(made: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (T, n, F) of both as one matrix, and labels: 0 made, 1 real."""
    made, real = (features.reshape(-1, features.shape[-1]) for features in (made, real))
    return np.concatenate([made, real]), np.repeat([0, 1], [len(made), len(real)])
