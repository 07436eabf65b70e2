"""The checks that an invented class must pass, by an embedder and val classes that no measure of it will use."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from metagan.evaluation.class_distances import class_distances
from metagan.evaluation.class_measures import (
    Values,
    blank,
    class_features,
    class_tensors,
    greyness,
    limits_of,
    recognised,
)
from metagan.parameters import Invent
from metagan.parameters.invent import CheckName
from metagan.tasks.bank import ClassIndices, TaskBank


class Verdict(NamedTuple):
    """Why a class is dropped, empty where it is not, and the numbers that were looked at."""

    reason: str
    numbers: dict[str, float | str]


class Checks:
    """Compares classes with the train classes, or some of them, with unseen real ones, and with what has passed."""

    def __init__(self, bank: TaskBank, classes: ClassIndices, embed: nn.Module, settings: Invent, seed: int) -> None:
        self.bank, self.classes, self.embed, self.asked, self.seed = bank, classes, embed, settings.checks, seed
        train, val = (class_tensors(bank, own, settings.images) for own in (self.classes, bank.splits["val"]))
        self.train = class_features(embed, train)
        self.limits = limits_of(val, class_features(embed, val), self.train, seed, settings.near_copy)
        self.passed: list[Values] = []

    def afresh(self) -> Checks:
        """The same checks, before anything has passed."""
        other = copy(self)
        other.passed = []
        return other

    def verdicts(self, images: Tensor, count: int) -> list[Verdict]:
        """On classes (T, n, C, H, W) in turn, until `count` have passed."""
        features = class_features(self.embed, images)
        near = class_distances(features, self.train)
        shares, grey, empty = recognised(features, self.seed), greyness(images), blank(images)
        verdicts: list[Verdict] = []
        passed = 0
        for place, own in enumerate(features):
            if passed == count:
                break
            reason = self._reason(own, bool(empty[place]), near[place].min(), shares[place], grey[place])
            nearest = self.classes[near[place].argmin()]
            numbers = {
                "nearest": self.bank.classes[nearest].name,
                "distance": round(float(near[place].min()), 4),
                "recognised": round(float(shares[place]), 4),
            }
            verdicts.append(Verdict(reason, numbers))
            if not reason:
                self.passed.append(own)
                passed += 1
        return verdicts

    def _reason(self, own: Values, empty: bool, distance: float, share: float, grey: float) -> str:
        """The first check that fails, of those that are asked for."""
        limits = self.limits
        failed: dict[CheckName, bool] = {
            "blank": empty,
            "near_copy": distance < limits.copy,
            "far": distance > limits.high,
            "inconsistent": share < limits.recognised,
            "blurred": self.bank.example.on_paper and grey > limits.grey,
            "repeated": self._nearest_passed(own) < limits.apart,
        }
        return next((name for name, fails in failed.items() if fails and name in self.asked), "")

    def _nearest_passed(self, own: Values) -> float:
        """How far a class (n, F) is from the nearest that has passed; infinite before any has."""
        return float(class_distances(own[None], np.stack(self.passed)).min()) if self.passed else np.inf
