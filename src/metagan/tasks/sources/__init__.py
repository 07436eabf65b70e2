"""The table of task sources: `SOURCES[name](tasks, seed, raw_folder)` gives a `Source`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metagan.parameters import Tasks
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.glyphs import glyphs
from metagan.tasks.sources.omniglot import omniglot

SOURCES: dict[str, Callable[[Tasks, int, Path], Source]] = {"glyphs": glyphs, "omniglot": omniglot}
