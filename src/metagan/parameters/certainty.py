"""How sure few-shot classifiers are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from metagan.parameters.section import Plural, Positive, Section


class CertaintySettings(Section):
    """Episodes of unseen classes, and how many times a classifier is adapted to each."""

    episodes: Plural = 200
    validation_episodes: Plural = 100
    n_way: Plural = 5
    k_shot: Positive = 1
    n_query: Positive = 5
    members: Annotated[int, Field(ge=2, le=100)] = 8
