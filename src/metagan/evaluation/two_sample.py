"""The classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545): are made images told from real ones?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from metagan.domains import Domain
from metagan.errors import UserError
from metagan.evaluation.from_scratch import Trial, accuracies

SEEDS = 3
VIEWS = ("two_sample", "two_sample_binarised")
UNITS, EPOCHS = 20, 100  # of the network on features: section 4


def check_halves(classes: Sequence[int] | np.ndarray) -> None:
    """Raises UserError when the classes cannot be halved."""
    if len(np.unique(classes)) < 2:
        raise UserError("evaluate.n_tasks: the two-sample test needs tasks of at least 2 classes, one for each half")


def null_interval(classes: np.ndarray, n_each: int) -> tuple[float, float]:
    """Where 95% of accuracies lie when nothing can be told (section 3.1), for `n_each` made and as many real images of
    each task with class indices `classes` (T,): that of one halving, a little wide for the mean of several.
    """
    names, counts = np.unique(classes, return_counts=True)
    tested = 2 * n_each * counts.mean() * (len(names) - len(names) // 2)
    reach = 1.96 * 0.5 / float(np.sqrt(tested))
    return 0.5 - reach, 0.5 + reach


def two_sample_on_pixels(
    domain: Domain, made: Tensor, real: Tensor, classes: np.ndarray, steps: int, seed: int, views: Sequence[str] = VIEWS
) -> dict[str, float]:
    """Accuracy of networks, trained for `steps`, that tell images (T, n, C, H, W) in [0, 1] made for T classes from
    real ones.

    Of `views`, `two_sample`: as they are saved, in 8 bits; `two_sample_binarised`: at 0.5. Each is a mean over SEEDS
    halvings of the classes: one half trains, the other tests. 0.5 says that nothing can be told, 1 that everything can.

    Raises:
        UserError: there is only one class.
    """
    check_halves(classes)
    pair = [domain.to_tensor(domain.to_stored(images)) for images in (made, real)]
    seen = {"two_sample": pair, "two_sample_binarised": [(images >= 0.5).float() for images in pair]}
    wanted = [seen[view] for view in views]
    places = [next(place for place, other in enumerate(wanted) if all(map(torch.equal, own, other))) for own in wanted]
    judged = sorted(set(places))  # examples that are black and white anyway are the same in both views
    halvings = list(enumerate(_halvings(classes, seed)))
    trials = [_trial(domain, wanted[place], half, seed + number) for place in judged for number, half in halvings]
    found = dict(zip(judged, np.reshape(accuracies(trials, steps), (len(judged), SEEDS)).mean(1), strict=True))
    return {view: float(found[place]) for view, place in zip(views, places, strict=True)}


def two_sample_on_features(made: np.ndarray, real: np.ndarray, classes: np.ndarray, seed: int) -> dict[str, float]:
    """The same of features (T, n, F), as in section 4: `two_sample_neighbours`, by as many nearest neighbours as the
    root of the number of training images, and `two_sample_features`, by a network of 20 hidden units.

    Raises:
        UserError: there is only one class.
    """
    check_halves(classes)
    scores = []
    for number, half in enumerate(_halvings(classes, seed)):
        (train, labels), (test, truth) = (_labelled(made[tasks], real[tasks]) for tasks in (half, ~half))
        neighbours = KNeighborsClassifier(max(1, int(len(labels) ** 0.5)))
        network = MLPClassifier((UNITS,), max_iter=EPOCHS, random_state=seed + number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the paper stops after as many epochs
            judges = [make_pipeline(StandardScaler(), judge).fit(train, labels) for judge in (neighbours, network)]
        scores.append([judge.score(test, truth) for judge in judges])
    means = np.mean(scores, axis=0).tolist()
    return dict(zip(("two_sample_neighbours", "two_sample_features"), means, strict=True))


def _halvings(classes: np.ndarray, seed: int) -> list[np.ndarray]:
    """SEEDS masks (T,) of the tasks whose classes are in one random half."""
    names = np.unique(classes)
    generators = (np.random.default_rng((seed, number)) for number in range(SEEDS))
    return [np.isin(classes, generator.permutation(names)[: len(names) // 2]) for generator in generators]


def _trial(domain: Domain, pair: Sequence[Tensor], half: np.ndarray, seed: int) -> Trial:
    chosen = torch.from_numpy(half)
    train = [(images[chosen].flatten(0, 1), label) for label, images in enumerate(pair)]
    test = [(images[~chosen].flatten(0, 1), label) for label, images in enumerate(pair)]
    parts = [(images, torch.full((len(images),), label)) for images, label in train]
    images, labels = zip(*[(images, torch.full((len(images),), label)) for images, label in test], strict=True)
    return Trial(domain, parts, (torch.cat(images), torch.cat(labels)), 2, seed)


def _labelled(made: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (T, n, F) of both as one matrix, and labels: 0 made, 1 real."""
    made, real = (features.reshape(-1, features.shape[-1]) for features in (made, real))
    return np.concatenate([made, real]), np.repeat([0, 1], [len(made), len(real)])
