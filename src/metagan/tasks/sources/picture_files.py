"""Picture files of any size and mode, read as images of one shape."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from metagan.errors import UserError
from metagan.tasks.sources.base import Images

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FORMATS = ("PNG", "JPEG", "WEBP")
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


def picture_files(folder: Path) -> tuple[Path, ...]:
    """The PNG, JPEG and WebP files in `folder` by name; hidden ones are left out."""
    return tuple(
        sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith("."))
    )


def read_picture(file: Path | BinaryIO, image_size: int, channels: int) -> Images:
    """The upright middle square, uint8 (channels, image_size, image_size); transparency becomes white.

    Raises UserError for a picture that is corrupt, or so large that it could be a decompression bomb.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as picture:
                upright = _opaque(ImageOps.exif_transpose(picture))
        square = ImageOps.fit(upright.convert("RGB" if channels == 3 else "L"), (image_size, image_size))
    except UNREADABLE as error:
        raise UserError(f"{file} cannot be read as a picture: {error}") from error
    return np.asarray(square).reshape(image_size, image_size, channels).transpose(2, 0, 1)


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip
        return Image.fromarray((np.asarray(picture) // 256).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture
    transparent = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), transparent)
