"""Evaluation of words beside models of n-grams."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from metagan.parameters.section import Count, OneOrMore, Plural, Positive, Section

Temperature = Annotated[float, Field(gt=0, le=10)]
ALONE = 8
"""Words of a class at least that neither a generator sees nor samples are counted against."""


class TextSettings(Section):
    """Words of unseen classes by the model and by n-gram models, each over a sweep of temperatures."""

    n_tasks: Plural = 100
    k_shot: Positive = 16
    samples: Plural = 40
    step: Count = 5
    order: Annotated[int, Field(ge=1, le=8)] = 4
    temperatures: OneOrMore[Temperature] = (0.4, 0.55, 0.7, 0.85, 1.0, 1.2, 1.5)
    shown: Positive = 6

    @property
    def fewest(self) -> int:
        """Words of a class that a task takes."""
        return self.k_shot + self.samples + ALONE
