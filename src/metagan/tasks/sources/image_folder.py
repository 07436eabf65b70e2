"""Any folder of class folders of pictures."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.picture_files import READ, picture_files, read_pictures, tell_left_out


def image_folder(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.image_folder.path` a class, its picture files the images; a random class split.

    Pictures are read as `read_pictures` says. Raises UserError for a folder without pictures and
    for too few images or classes; drawing raises UserError for an unreadable picture.
    """
    settings = tasks.image_folder
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise UserError(f"tasks.image_folder.path: {shown(folder)} is not a folder")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UserError(f"tasks.image_folder.path: {shown(folder)} holds no class folders")
    files, left_out = {}, Counter[str]()
    for name in names:
        files[name], of_class = picture_files(folder / name)
        left_out += of_class
    beside = sum(not entry.is_dir() for entry in folder.iterdir())
    tell_left_out("tasks.image_folder.path", folder, left_out + Counter({"beside the class folders": beside}))
    for name, pictures in files.items():
        if len(pictures) < 2:
            raise UserError(
                f"tasks.image_folder.path: class folder {shown(folder / name)} holds {len(pictures)} {READ} files, "
                "but a class needs at least 2"
            )
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
