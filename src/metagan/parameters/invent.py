"""Invention of new classes, and what proves that they are new and worth learning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from metagan.parameters.embedder import EmbedderNetwork
from metagan.parameters.section import (
    LARGEST,
    Fraction,
    NonNegative,
    OneOrMore,
    Plural,
    Positive,
    Rate,
    Section,
    Several,
)

InventorName = Literal["interpolate", "directions", "strokes", "anchors", "hardest"]
"""A new inventor's name goes here; its file has the same name."""
AtLeastThree = Annotated[int, Field(ge=3, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
CheckName = Literal["blank", "near_copy", "far", "inconsistent", "blurred", "repeated"]


class Interpolate(Section):
    parents: Annotated[int, Field(ge=2, le=3)] = 2
    least_share: Annotated[float, Field(ge=0, le=1 / 3)] = 0.3


class Directions(Section):
    components: Positive = 40
    deviations: Annotated[float, Field(gt=0, le=10)] = 1.0


class Strokes(Section):
    sharpness: Rate = 1.0


class Anchors(Section):
    between: Annotated[float, Field(gt=0, le=10)] = 1.0
    within: NonNegative = 0.4


class Hardest(Section):
    n_way: Plural = 5
    steps: Positive = 10
    learning_rate: Rate = 0.3
    density: NonNegative = 1.0


class Useful(Section):
    """Few-shot classifiers of real and invented classes, all of them trained for as long."""

    real_classes: OneOrMore[AtLeastThree] = (20, 60, 200)
    seeds: Annotated[OneOrMore[Seed], Field(min_length=2)] = (0, 1, 2)
    network: EmbedderNetwork = EmbedderNetwork(width=32, episodes=1000, n_way=10, stream=())
    n_way: Plural = 5
    episodes: Plural = 400


class InRounds(Section):
    """Classifiers that are trained, get new classes where they are weak, and are trained on."""

    real_classes: OneOrMore[AtLeastThree] = (20,)
    rounds: Annotated[int, Field(ge=2, le=100)] = 5
    weak: Fraction = 0.5


class Invent(Section):
    """New classes by the trained meta-model, and what they are measured by."""

    how: OneOrMore[InventorName] = ("interpolate", "directions", "strokes", "anchors", "hardest")
    classes: Plural = 200
    images: Annotated[int, Field(ge=4, le=64)] = 20
    split: str = "train"
    parents: AtLeastThree = 400
    steps: Annotated[int, Field(ge=0, le=50)] = 5
    rounds: Positive = 10
    checks: Several[CheckName] = ("blank", "near_copy", "far", "inconsistent", "blurred", "repeated")
    near_copy: Fraction = 0.05
    interpolate: Interpolate = Interpolate()
    directions: Directions = Directions()
    strokes: Strokes = Strokes()
    anchors: Anchors = Anchors()
    hardest: Hardest = Hardest()
    useful: Useful = Useful()
    in_rounds: InRounds = InRounds()

    @model_validator(mode="after")
    def _rounds_have_something_to_do(self) -> Invent:
        rounds = self.in_rounds.rounds
        if self.useful.network.episodes < rounds:
            raise ValueError(
                f"in_rounds.rounds: {rounds}, but useful.network.episodes has only {self.useful.network.episodes} "
                "for all of them"
            )
        if self.classes < 2 * (rounds - 1):
            raise ValueError(f"classes: {self.classes}, but {rounds - 1} rounds (in_rounds.rounds) invent 2 at least")
        return self

    @field_validator("split")
    @classmethod
    def _is_never_measured_on(cls, value: str) -> str:
        if value != "train":
            raise ValueError("must be train: invented classes are learned from, and val and test classes must be real")
        return value
