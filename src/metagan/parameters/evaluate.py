"""Evaluation of the GAN on unseen classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from metagan.parameters.section import NonNegative, OneOrMore, Plural, Positive, Rate, Section, Steps

HEADLINE_STEP = 5  # the number of adaptation steps that is spoken of when one number must do


def headline_step(steps: Sequence[int]) -> int:
    """The adaptation steps behind headline numbers: the usual number, or the last where that is not measured."""
    return HEADLINE_STEP if HEADLINE_STEP in steps else steps[-1]


class UseSettings(Section):
    """Classifiers trained from scratch on samples, tested on real images."""

    k_shots: OneOrMore[Positive] = (1, 5, 8)
    samples: Positive = 48
    episodes: Plural = 5


class Evaluate(Section):
    split: Literal["val", "test"] = "test"
    n_tasks: Plural = 100
    k_shot: Positive = 8
    n_query: Plural = 12
    steps: Steps = (0, 1, 2, 5, 10, 20)
    picture_classes: Annotated[int, Field(ge=1, le=64)] = 16
    joint_condition_weight: NonNegative = 1.0
    nearest_neighbours: Positive = 5
    judge_steps: Positive = 80
    use: UseSettings = UseSettings()
    baseline_learning_rates: OneOrMore[Rate] = (0.01, 0.03, 0.1, 0.3, 1.0)

    @model_validator(mode="after")
    def _shots_are_used(self) -> Evaluate:
        if self.k_shot not in self.use.k_shots:
            raise ValueError(f"use.k_shots: must have k_shot, {self.k_shot}, among its numbers")
        return self

    @model_validator(mode="after")
    def _samples_suffice(self) -> Evaluate:
        if self.use.samples < max(self.use.k_shots):
            raise ValueError(f"use.samples: must be at least the largest of use.k_shots, {max(self.use.k_shots)}")
        return self

    @model_validator(mode="after")
    def _neighbours_are_there(self) -> Evaluate:
        half = self.n_tasks * (self.n_query // 2)
        if self.nearest_neighbours >= half:
            raise ValueError(f"nearest_neighbours: must be below n_tasks * n_query / 2 = {half}, the images of a half")
        return self
