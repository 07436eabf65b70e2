"""Any folder of class folders of recordings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metagan.parameters import Tasks
from metagan.tasks.sources.audio_files import RECORDINGS, of_recordings, read_recordings
from metagan.tasks.sources.base import Source
from metagan.tasks.sources.folders import split_folders


def audio_folder(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.audio_folder.path` a class, its recordings the samples; a random class split.

    Recordings are read as `read_recordings` says. Raises UserError for a folder without recordings and for too few
    recordings or classes; drawing raises UserError for an unreadable recording.
    """
    files, classes = split_folders("tasks.audio_folder", tasks.audio_folder, RECORDINGS, seed)
    recordings = tuple(partial(read_recordings, own, tasks.image_size) for own in files.values())
    return of_recordings("audio_folder", f"recordings in {classes[0].group}", classes, recordings, tasks.image_size)
