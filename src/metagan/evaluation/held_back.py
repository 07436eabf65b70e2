"""Do samples help a classifier of a person's own classes? Measured on pictures that nothing has seen.

Every picture is held back once in each of REPEATS rounds; samples are made anew from what is left each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metagan.domains import Domain
from metagan.evaluation.from_scratch import answers
from metagan.evaluation.use import Group

FOLDS, REPEATS = 5, 3
TRAINING_SETS = ("left", "left_jitter", "left_samples_jitter")
"""The pictures left, plain or jittered; these and samples, jittered."""

Draw = Callable[[int, Tensor, int], Tensor]
"""(class, the pictures left (K, C, H, W), part) -> samples (n, C, H, W) in [0, 1]."""
Part = list[NDArray[np.bool_]]
"""Which pictures of each class are held back."""
Verdict = Literal["helped", "harmed", "within chance"]


class Gain(NamedTuple):
    """A mean difference of paired answers, and the ends of its 95% confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether the interval leaves zero out."""
        if self.low <= 0 <= self.high:
            return "within chance"
        return "helped" if self.low > 0 else "harmed"


def held_back_use(
    domain: Domain, classes: Sequence[Tensor], draw: Draw, fewest: int, judge_steps: int, seed: int
) -> dict[str, Any] | None:
    """Accuracy on held-back pictures of classifiers from scratch, by what they were trained on; ready for JSON.

    `classes` are the pictures (K, C, H, W) of each; at least `fewest` of a class are always left. `gain` is what
    samples add to the jittered pictures. None where no class has a picture to spare, or where there is one class.
    """
    counts = [len(pictures) for pictures in classes]
    parts = [part for repeat in range(REPEATS) for part in folds(counts, fewest, seed + repeat)]
    if len(classes) < 2 or not parts:
        return None
    trials = []
    for number, part in enumerate(parts):
        held = [torch.from_numpy(of_class) for of_class in part]
        kept = [pictures[~away] for pictures, away in zip(classes, held, strict=True)]
        query = [pictures[away] for pictures, away in zip(classes, held, strict=True)]
        samples = torch.stack([draw(index, pictures, number) for index, pictures in enumerate(kept)])
        left = _equal_shares(kept)
        group = Group(domain, left, query, seed + number)
        trials += [group.trial([left]), group.trial([left], jitter=True), group.trial([left, samples], jitter=True)]
    found = answers(trials, judge_steps)
    right = [_by_picture(found[column :: len(TRAINING_SETS)], parts) for column in range(len(TRAINING_SETS))]
    gain = paired_gain(right[2] - right[1])
    return {
        "rounds": REPEATS,
        "held_back": [count * any(part[index].any() for part in parts) for index, count in enumerate(counts)],
        "samples_per_class": samples.shape[1],
        **{name: round(float(values.mean()), 4) for name, values in zip(TRAINING_SETS, right, strict=True)},
        "gain": {name: round(value, 4) + 0.0 for name, value in gain._asdict().items()},
        "verdict": gain.verdict,
    }


def folds(counts: Sequence[int], fewest: int, seed: int) -> list[Part]:
    """Parts of the pictures of each class, of which every one is held back once.

    A class that would be left with fewer than `fewest` is never held back. No part where there is no other class.
    """
    number = min(FOLDS, max(counts))
    spared = [count - -(-count // number) >= fewest for count in counts]
    if not any(spared):
        return []
    generator = np.random.default_rng(seed)
    places = [generator.permutation(count) % number for count in counts]
    return [[(own == part) & spare for own, spare in zip(places, spared, strict=True)] for part in range(number)]


def paired_gain(differences: NDArray[np.float64]) -> Gain:
    """Of differences (n,) in [-1, 1], one for each picture.

    The interval of Agresti and Min 2005 (Statistics in Medicine 24, section 3): half a picture more of each outcome,
    so that a few pictures that agree prove nothing.
    """
    count = len(differences) + 2
    centre = differences.sum() / count
    width = 1.96 * np.sqrt(((differences**2).sum() + 1) / count - centre**2) / np.sqrt(count)
    return Gain(float(differences.mean()), float(centre - width), float(centre + width))


def _by_picture(found: Sequence[Tensor], parts: Sequence[Part]) -> NDArray[np.float64]:
    """How often each picture that is held back was recognised: (pictures,)."""
    places = [np.flatnonzero(np.concatenate(part)) for part in parts]
    times = np.zeros(sum(map(len, parts[0])))
    right = times.copy()
    for place, answered in zip(places, found, strict=True):
        times[place] += 1
        right[place] += answered.numpy()
    return right[times > 0] / times[times > 0]


def _equal_shares(classes: Sequence[Tensor]) -> Tensor:
    """(N, n, C, H, W): small classes again and again, so that samples cannot help by evening out the classes."""
    largest = max(map(len, classes))
    return torch.stack([pictures[torch.arange(largest) % len(pictures)] for pictures in classes])
