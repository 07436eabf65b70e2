"""What every meta-training has."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from metagan.parameters.section import Fraction, Positive, Section
from metagan.parameters.stream import Wrappers


class OuterLoopSettings(Section):
    """What every meta-training has; `section` is its name in the configuration."""

    section: ClassVar[str]

    tasks_per_step: Positive = 4
    stream: Wrappers = ("turned",)
    meta_steps: Positive | None = 300
    minutes: Annotated[float, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    rule_learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-2
    decay_from: Annotated[float, Field(ge=0, lt=1)] = 0.8
    final_learning_rate_fraction: Fraction = 0.05
    clip_gradient_norm: Annotated[float, Field(gt=0)] = 10.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    maximum_skipped_in_a_row: Positive = 20
    task_parallel: Literal["auto", "threads", "vmap", "loop"] = "auto"
    vmap_chunk: Positive = 16
    validate_every: Positive = 100
    validation_tasks: Positive = 20
    retreat_margin: Annotated[float, Field(gt=0)] = 0.05

    @model_validator(mode="after")
    def _ends(self) -> OuterLoopSettings:
        if self.meta_steps is None and self.minutes is None:
            name = f"{self.section}.minutes"
            raise ValueError(f"meta_steps: must be a number when {name} is null, or training never ends")
        return self
