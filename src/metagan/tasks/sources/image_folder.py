"""Any folder of class folders of pictures."""

from __future__ import annotations

import struct
import warnings
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# What Pillow raises for a picture that is corrupt, truncated or a decompression bomb.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    zlib.error,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def image_folder_source(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each folder in `tasks.image_folder.path` a class, its PNG, JPEG and WebP files the images; a random class split.

    Pictures are cropped to the middle square; transparency becomes white. Raises FileNotFoundError or ValueError for
    a folder without pictures and for too few images or classes; drawing raises ValueError for an unreadable picture.
    """
    settings = tasks.image_folder
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise FileNotFoundError(f"tasks.image_folder.path: {folder} is not a folder")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise ValueError(f"tasks.image_folder.path: {folder} holds no class folders")
    files = {name: _pictures(folder / name) for name in names}
    for name, pictures in files.items():
        if len(pictures) < 2:
            raise ValueError(
                f"tasks.image_folder.path: class folder {folder / name} holds {len(pictures)} PNG, JPEG or WebP files, "
                "but a class needs at least 2"
            )
    train, val = (round(fraction * len(names)) for fraction in (settings.train_fraction, settings.val_fraction))
    try:
        split_of = splits.at_random(len(names), train, val, seed)
    except ValueError as error:
        raise ValueError(f"tasks.image_folder.train_fraction, val_fraction or path: {error}") from error
    classes = tuple(
        ClassRecord(name, folder.name, split, len(files[name])) for name, split in zip(names, split_of, strict=True)
    )
    drawings = tuple(partial(_draw, files[name], tasks.image_size, tasks.channels) for name in names)
    return Source("image_folder", f"pictures in {folder.name}", tasks.image_size, tasks.channels, classes, drawings)


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(
        sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    )


def _draw(files: tuple[Path, ...], image_size: int, channels: int) -> Images:
    return np.stack([_read(file, image_size, channels) for file in files])


def _read(file: Path, image_size: int, channels: int) -> Images:
    """One picture, uint8 (channels, image_size, image_size)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as picture:
                upright = _opaque(ImageOps.exif_transpose(picture))
        square = ImageOps.fit(upright.convert("RGB" if channels == 3 else "L"), (image_size, image_size))
    except UNREADABLE as error:
        raise ValueError(f"{file} cannot be read as a picture: {error}") from error
    return np.asarray(square).reshape(image_size, image_size, channels).transpose(2, 0, 1)


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip
        return Image.fromarray((np.asarray(picture) // 256).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    transparent = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), transparent)
