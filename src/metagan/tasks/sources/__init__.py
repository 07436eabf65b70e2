"""The table of task sources: `SOURCES[name](tasks, seed, raw_folder)` gives a `Source`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metagan.parameters import Tasks
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.colours import colour_source
from metagan.tasks.sources.digits import digit_source
from metagan.tasks.sources.glyphs import glyph_source
from metagan.tasks.sources.image_folder import image_folder_source
from metagan.tasks.sources.omniglot import omniglot_source

SOURCES: dict[str, Callable[[Tasks, int, Path], Source]] = {
    "glyphs": glyph_source,
    "digits": digit_source,
    "omniglot": omniglot_source,
    "colours": colour_source,
    "image_folder": image_folder_source,
}
