"""Any folder of class folders of pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metagan.domains import stored_example
from metagan.parameters import Tasks
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.folders import split_folders
from metagan.tasks.sources.picture_files import PICTURES, read_pictures


def image_folder(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.image_folder.path` a class, its picture files the images; a random class split.

    Pictures are read as `read_pictures` says. Raises UserError for a folder without pictures and
    for too few images or classes; drawing raises UserError for an unreadable picture.
    """
    files, classes = split_folders("tasks.image_folder", tasks.image_folder, PICTURES, seed)
    drawings = tuple(partial(read_pictures, own, tasks.image_size, tasks.channels) for own in files.values())
    example = stored_example("image", (tasks.channels, tasks.image_size, tasks.image_size))
    return Source("image_folder", f"pictures in {classes[0].group}", example, classes, drawings)
