"""Drawings in black and white alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from metagan.tasks.sources.base import Images, Source


def binarised(source: Source) -> Source:
    """The same classes, every pixel of their drawings 0 or 255, whichever is nearer."""
    return replace(source, drawings=tuple(partial(_black_and_white, drawing) for drawing in source.drawings))


def _black_and_white(drawing: Callable[[], Images]) -> Images:
    return np.where(drawing() >= 128, np.uint8(255), np.uint8(0))
