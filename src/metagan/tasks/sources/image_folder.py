"""Any folder of class folders of pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.picture_files import class_folders, read_pictures


def image_folder(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.image_folder.path` a class, its picture files the images; a random class split.

    Pictures are read as `read_pictures` says. Raises UserError for a folder without pictures and
    for too few images or classes; drawing raises UserError for an unreadable picture.
    """
    settings = tasks.image_folder
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise UserError(f"tasks.image_folder.path: {shown(folder)} is not a folder")
    files = class_folders("tasks.image_folder.path", folder, 2)
    names = list(files)
    train, val = (round(fraction * len(names)) for fraction in (settings.train_fraction, settings.val_fraction))
    try:
        split_of = splits.at_random(len(names), train, val, seed)
    except UserError as error:
        raise UserError(f"tasks.image_folder.train_fraction, val_fraction or path: {error}") from error
    group = shown(folder.resolve().name)
    classes = tuple(
        ClassRecord(shown(name), group, split, len(files[name])) for name, split in zip(names, split_of, strict=True)
    )
    drawings = tuple(partial(read_pictures, files[name], tasks.image_size, tasks.channels) for name in names)
    example = stored_example("image", (tasks.channels, tasks.image_size, tasks.image_size))
    return Source("image_folder", f"pictures in {group}", example, classes, drawings)
