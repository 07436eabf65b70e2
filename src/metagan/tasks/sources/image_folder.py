"""Any folder of class folders of pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source
from metagan.tasks.sources.picture_files import picture_files, read_picture


def image_folder_source(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.image_folder.path` a class, its PNG, JPEG and WebP files the images; a random class split.

    Pictures are cropped to the middle square; transparency becomes white. Raises UserError for a folder without
    pictures and for too few images or classes; drawing raises it for an unreadable picture.
    """
    settings = tasks.image_folder
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise UserError(f"tasks.image_folder.path: {folder} is not a folder")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise UserError(f"tasks.image_folder.path: {folder} holds no class folders")
    files = {name: picture_files(folder / name) for name in names}
    for name, pictures in files.items():
        if len(pictures) < 2:
            raise UserError(
                f"tasks.image_folder.path: class folder {folder / name} holds {len(pictures)} PNG, JPEG or WebP files, "
                "but a class needs at least 2"
            )
    train, val = (round(fraction * len(names)) for fraction in (settings.train_fraction, settings.val_fraction))
    try:
        split_of = splits.at_random(len(names), train, val, seed)
    except UserError as error:
        raise UserError(f"tasks.image_folder.train_fraction, val_fraction or path: {error}") from error
    classes = tuple(
        ClassRecord(name, folder.name, split, len(files[name])) for name, split in zip(names, split_of, strict=True)
    )
    drawings = tuple(partial(_draw, files[name], tasks.image_size, tasks.channels) for name in names)
    return Source("image_folder", f"pictures in {folder.name}", tasks.image_size, tasks.channels, classes, drawings)


def _draw(files: tuple[Path, ...], image_size: int, channels: int) -> Images:
    return np.stack([read_picture(file, image_size, channels) for file in files])
