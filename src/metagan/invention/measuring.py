"""Are invented classes new, consistent, diverse and learnable? By an embedder and classes that no check has used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from metagan.evaluation.class_distances import class_distances, nearest_other
from metagan.evaluation.class_measures import (
    Limits,
    Values,
    class_features,
    class_tensors,
    greyness,
    limits_of,
    recognised,
)
from metagan.evaluation.from_scratch import accuracies
from metagan.evaluation.recognisability import N_WAY, recognisability
from metagan.evaluation.use import Group
from metagan.invention.inventing import drawn
from metagan.parameters import Invent
from metagan.tasks.bank import TaskBank
from metagan.training.gan import Gan

GROUPS, FEW_WAY, JUDGE_STEPS = 3, 5, 80
MOST = 100
BLUR = 7
"""Side of the square that a pixel of a blurred image is the mean of."""


class Found(TypedDict):
    """What each of some classes is: its nearest train class, the distance, how often it is recognised, how far the
    nearest of the others is, and how grey it is."""

    nearest: list[int]
    distance: Values
    recognised: Values
    apart: Values
    grey: Values


@dataclass(frozen=True)
class Yardstick:
    """What unseen real classes are, and all that is needed to find the same of others."""

    bank: TaskBank
    gan: Gan
    embed: nn.Module
    settings: Invent
    seed: int
    train: Values
    limits: Limits
    learned: dict[str, float]

    def find(self, features: Values, images: Tensor) -> Found:
        """Of classes (T, n, C, H, W)."""
        near = class_distances(features, self.train)
        return {
            "nearest": [int(self.bank.splits["train"][place]) for place in near.argmin(1)],
            "distance": near.min(1),
            "recognised": recognised(features, self.seed),
            "apart": nearest_other(features),
            "grey": greyness(images),
        }

    def measure(self, images: Tensor) -> tuple[dict[str, float], Found]:
        """The shares of classes (T, n, C, H, W) that pass, what can be learned of them as a share of what can of real
        ones (above 1 is better), and what each class is."""
        found = self.find(class_features(self.embed, images), images)
        learned = learnability(self.bank, self.gan, self.embed, images, self.settings, self.seed)
        ratios = {
            name: self.learned[name] / value if name == "distance" else value / self.learned[name]
            for name, value in learned.items()
            if value > 0 and self.learned[name] > 0
        }
        table = {**self.shares(found), **{f"learnable_{name}": ratio for name, ratio in ratios.items()}}
        return table, found

    def shares(self, found: Found) -> dict[str, float]:
        """Of some classes the shares that pass."""
        limits = self.limits
        new = (found["distance"] >= limits.low) & (found["distance"] <= limits.high)
        consistent = found["recognised"] >= limits.recognised
        passing = {
            "new": new,
            "consistent": consistent,
            "new_and_consistent": new & consistent,
            "copies": found["distance"] < limits.copy,
            "far": found["distance"] > limits.high,
            "repeated": found["apart"] < limits.apart,
            "sharp": found["grey"] <= limits.grey,
        }
        return {"classes": len(new), **{name: float(which.mean()) for name, which in passing.items()}}


def yardstick(bank: TaskBank, gan: Gan, embed: nn.Module, settings: Invent, seed: int) -> Yardstick:
    """By the test classes of the bank, and the distances of all to its train classes."""
    train, test = (class_tensors(bank, bank.splits[split], settings.images) for split in ("train", "test"))
    seen = class_features(embed, train)
    limits = limits_of(test, class_features(embed, test), seen, seed)
    learned = learnability(bank, gan, embed, test, settings, seed)
    return Yardstick(bank, gan, embed, settings, seed, seen, limits, learned)


def learnability(
    bank: TaskBank, gan: Gan, embed: nn.Module, images: Tensor, settings: Invent, seed: int
) -> dict[str, float]:
    """What can be learned of MOST classes of (T, n, C, H, W) at most from some of their images, tested on the rest.

    `generator` is the recognisability of the adapted generator's samples, `distance` their squared MMD to the images of
    their class, `classifier` the accuracy of 5-way 1-shot decisions in the features, and `from_scratch` that of small
    classifiers which have seen nothing else, of 20 classes.
    """
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(images))[:MOST])
    images = images[order]
    shots = gan.shots_of(images.shape[1] // 2)
    support, query = images[:, :shots], images[:, shots:]
    samples = bank.domain.to_tensor(drawn(bank, gan, [*support], query.shape[1], settings.steps, seed))
    made, real = class_features(embed, samples), class_features(embed, query)
    n_way = min(N_WAY, len(images))
    groups = [slice(first, first + n_way) for first in range(0, len(images) - n_way + 1, n_way)][:GROUPS]
    trials = [Group(bank.domain, support[own], query[own], seed).trial([support[own]]) for own in groups]
    return {
        "generator": recognisability(made, real, order.numpy(), seed),
        "distance": float(np.diag(class_distances(made, real)).mean()),
        "classifier": float(recognised(class_features(embed, images), seed, FEW_WAY).mean()),
        "from_scratch": float(np.mean(accuracies(trials, JUDGE_STEPS))),
    }


def controls(bank: TaskBank, gan: Gan, images: Tensor, settings: Invent, seed: int) -> dict[str, Tensor]:
    """What each measure is to say yes or no to, as many classes as there are in images (T, n, C, H, W): real ones of
    the val split, what the model draws of train classes, noise of each pixel, and the images themselves, blurred."""
    generator = np.random.default_rng((seed, 2))
    val = class_tensors(bank, bank.splits["val"], settings.images)
    seen = class_tensors(bank, generator.permutation(bank.splits["train"])[: len(images)], settings.images)
    copies = drawn(bank, gan, [*seen[:, : gan.shots_of(seen.shape[1])]], settings.images, settings.steps, seed)
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
    blurred = nn.functional.avg_pool2d(images.flatten(0, 1), BLUR, 1, BLUR // 2, count_include_pad=False)
    return {
        "real, of the val split": val,
        "copies of train classes": bank.domain.to_tensor(copies),
        "noise": noise,
        "invented, blurred": blurred.view_as(images),
    }


def measured(
    bank: TaskBank, invented: TaskBank, gan: Gan, embed: nn.Module, settings: Invent, seed: int
) -> dict[str, Any]:
    """The measures of all invented classes, of those of each inventor and of controls, with each class's own numbers;
    ready for JSON."""
    by = yardstick(bank, gan, embed, settings, seed)
    images = class_tensors(invented, invented.splits["train"], settings.images)
    whole, found = by.measure(images)
    groups = np.array([record.group for record in invented.classes])
    inventors = {name: by.shares(_some(found, groups == name)) for name in dict.fromkeys(groups.tolist())}
    others = {name: by.measure(own)[0] for name, own in controls(bank, gan, images, settings, seed).items()}
    classes = [
        {
            "name": record.name,
            "nearest": bank.classes[found["nearest"][place]].name,
            **{name: round(float(found[name][place]), 4) for name in ("distance", "recognised", "apart", "grey")},
        }
        for place, record in enumerate(invented.classes)
    ]
    return {
        "invented": whole,
        "inventors": inventors,
        "controls": others,
        "limits": by.limits._asdict(),
        "real": by.learned,
        "classes": classes,
    }


def _some(found: Found, which: np.ndarray) -> Found:
    chosen = np.flatnonzero(which)
    return {
        "nearest": [found["nearest"][place] for place in chosen],
        "distance": found["distance"][chosen],
        "recognised": found["recognised"][chosen],
        "apart": found["apart"][chosen],
        "grey": found["grey"][chosen],
    }
