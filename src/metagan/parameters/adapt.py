"""Adaptation to a person's own pictures, recordings or lines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from metagan.parameters.folder import Folder
from metagan.parameters.section import Section


class Adapt(Section):
    """Adaptation of the trained meta-model to a person's own pictures, recordings or lines."""

    images: Folder | None = None
    audio: Folder | None = None
    text: Folder | None = None
    steps: Annotated[int, Field(ge=1, le=50)] = 20
    samples: Annotated[int, Field(ge=2, le=256)] = 64
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    invert: Literal["auto", "always", "never"] = "auto"
