"""What speech is measured by beyond pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from metagan.parameters.section import Positive, Section


class EvaluateSpeech(Section):
    """Recognition of digits and speakers, and the page to listen to."""

    draws: Positive = 3
    samples: Positive = 12
    judge_steps: Positive = 400
    page_classes: Annotated[int, Field(ge=1, le=32)] = 8
    page_samples: Annotated[int, Field(ge=1, le=4)] = 2
