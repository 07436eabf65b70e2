"""Evaluation of the GAN on unseen classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from metagan.parameters.section import NonNegative, Positive, Rate, Section, Steps


class Evaluate(Section):
    split: Literal["val", "test"] = "test"
    n_tasks: Annotated[int, Field(ge=2)] = 100
    k_shot: Positive = 8
    n_query: Annotated[int, Field(ge=2)] = 12
    steps: Steps = (0, 1, 2, 5, 10, 20)
    picture_classes: Annotated[int, Field(ge=1, le=64)] = 16
    joint_condition_weight: NonNegative = 1.0
    nearest_neighbours: Positive = 5
    baseline_learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.01, 0.03, 0.1, 0.3, 1.0)

    @model_validator(mode="after")
    def _neighbours_are_there(self) -> Evaluate:
        half = self.n_tasks * (self.n_query // 2)
        if self.nearest_neighbours >= half:
            raise ValueError(f"nearest_neighbours: must be below n_tasks * n_query / 2 = {half}, the images of a half")
        return self
