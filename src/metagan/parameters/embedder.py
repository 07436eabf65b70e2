"""The two embedders."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from metagan.parameters.section import Channels, ImageSize, Positive, Section, Width

EmbedderWidth = Annotated[Width, Field(multiple_of=8)]  # eight groups of channels are normalised together


class EmbedderNetwork(Section):
    """One prototypical embedder (evaluation, or inside an outer objective)."""

    width: EmbedderWidth = 64
    feature_size: Width = 64
    episodes: Positive = 400
    n_way: Annotated[int, Field(ge=2)] = 20
    k_shot: Positive = 1
    n_query: Positive = 5
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 2e-3
    class_half: Literal["first", "second", "all"] = "all"
    turn_classes: bool = True
    seed_offset: int = 0


class EmbedderArchitecture(Section):
    """What saved weights of an embedder may say of its network."""

    width: EmbedderWidth
    feature_size: Width
    channels: Channels
    image_size: ImageSize


class Embedder(Section):
    """The two embedders, which share nothing: seeds, widths and train classes differ."""

    evaluation: EmbedderNetwork = EmbedderNetwork()
    objective: EmbedderNetwork = EmbedderNetwork(width=48, feature_size=48, seed_offset=1000)
    accuracy_episodes: Positive = 100

    @model_validator(mode="after")
    def _share_nothing(self) -> Embedder:
        if self.evaluation.seed_offset == self.objective.seed_offset:
            raise ValueError(
                "objective.seed_offset: must differ from evaluation.seed_offset, the embedders share nothing"
            )
        return self
