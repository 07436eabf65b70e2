"""Columns of examples, as pictures or as lists of words: a class in each row, from the support set to unseen ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metagan.domains import domain_of
from metagan.parameters import StoredExample
from metagan.reporting.figures import TILE_LIMIT, after, data_uri, picture_of, picture_steps
from metagan.reporting.measures import TRAINED_ARMS

CELL_WIDTH = 174
EMPTY = "\N{EMPTY SET}"


@dataclass(frozen=True)
class PictureColumn:
    """One column: its heading, whom it belongs to, and for each class an image source or the examples as text."""

    heading: str
    kind: str
    cells: tuple[str | tuple[str, ...], ...]


def adaptation_columns(
    pictures: Mapping[str, np.ndarray], steps: list[int], example: StoredExample
) -> list[PictureColumn]:
    adapted = pictures["adapted"]
    return [
        _column("support", "support", pictures["support"], example),
        *(_column(after(step), "adapted", adapted[:, steps.index(step)], example) for step in picture_steps(steps)),
        _column("real, unseen", "real", pictures["real"], example),
    ]


def comparison_columns(
    pictures: Mapping[str, np.ndarray], steps: list[int], example: StoredExample
) -> list[PictureColumn]:
    arms = [arm for arm in TRAINED_ARMS if arm.name in pictures]
    return [
        _column("support", "support", pictures["support"], example),
        *(_column(arm.label, arm.name, pictures[arm.name][:, -1], example) for arm in arms),
        _column("real, unseen", "real", pictures["real"], example),
    ]


def _column(heading: str, kind: str, stored: np.ndarray, example: StoredExample) -> PictureColumn:
    """`stored` (T, n, *shape); a heading says so when only the first of them are shown."""
    n = stored.shape[1]
    heading = f"{heading} ({TILE_LIMIT} of {n})" if kind == "support" and n > TILE_LIMIT else heading
    return PictureColumn(heading, kind, tuple(_cell(row[:TILE_LIMIT], example) for row in stored))


def _cell(stored: np.ndarray, example: StoredExample) -> str | tuple[str, ...]:
    form = domain_of(example).form
    if form is not None and form.is_text:
        return tuple(form.write(one, 0) or EMPTY for one in stored)
    return data_uri(picture_of(example, stored))


def shown_width(picture_width: int) -> float:
    """CSS pixels of one cell: half-integer magnification, crisp on most screens, or less where it must be."""
    fits = CELL_WIDTH / picture_width
    return picture_width * math.floor(2 * fits) / 2 if fits >= 1 else CELL_WIDTH
