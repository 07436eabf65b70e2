"""The task sources: `SOURCES[name](tasks, seed, raw_folder)` gives a `Source`.

A new source is a file here that has the source's name, and a word in `metagan.parameters.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import get_args

from metagan.parameters import Tasks
from metagan.parameters.tasks import SourceName
from metagan.tasks.sources.base import Source

SOURCES: dict[str, Callable[[Tasks, int, Path], Source]] = {
    name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(SourceName)
}
