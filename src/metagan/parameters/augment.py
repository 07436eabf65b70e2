"""More pictures of a person's own classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from metagan.parameters.folder import Folder
from metagan.parameters.section import Positive, Section


class Augment(Section):
    """Samples of every class of a folder of class folders, by the trained meta-model."""

    images: Folder | None = None
    output: Folder | None = None
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    steps: Annotated[int, Field(ge=1, le=50)] = 5
    invert: Literal["auto", "always", "never"] = "auto"
    judge_steps: Positive = 80
