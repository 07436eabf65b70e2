"""The three embedders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from metagan.parameters.example import Example
from metagan.parameters.section import Count, Plural, Positive, Section, Width
from metagan.parameters.stream import Wrappers

EmbedderWidth = Annotated[Width, Field(multiple_of=8)]  # eight groups of channels are normalised together


class EmbedderNetwork(Section):
    """One prototypical embedder (evaluation, inside an outer objective, or of the two-sample test)."""

    width: EmbedderWidth = 64
    feature_size: Width = 64
    episodes: Positive = 400
    n_way: Plural = 20
    k_shot: Positive = 1
    n_query: Positive = 5
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    class_half: Literal["first", "second", "all"] = "all"
    stream: Wrappers = ("turned",)
    seed_offset: Count = 0


class EmbedderArchitecture(Example):
    """What saved weights of an embedder may say of its network, and of the examples that it takes."""

    width: EmbedderWidth
    feature_size: Width


class EmbedderSettings(Section):
    """The three embedders, which share nothing: each has a seed of its own.

    `evaluation` measures and selects, `objective` is a part of the outer objective, `judge` is asked by nothing but the
    two-sample test.
    """

    evaluation: EmbedderNetwork = EmbedderNetwork()
    objective: EmbedderNetwork = EmbedderNetwork(width=48, feature_size=48, seed_offset=1000)
    judge: EmbedderNetwork = EmbedderNetwork(width=32, feature_size=32, seed_offset=2000)
    accuracy_episodes: Positive = 100

    @model_validator(mode="after")
    def _share_nothing(self) -> EmbedderSettings:
        for one, other in (("objective", "evaluation"), ("judge", "evaluation"), ("judge", "objective")):
            if getattr(self, one).seed_offset == getattr(self, other).seed_offset:
                raise ValueError(
                    f"{one}.seed_offset: must differ from {other}.seed_offset, the embedders share nothing"
                )
        return self
