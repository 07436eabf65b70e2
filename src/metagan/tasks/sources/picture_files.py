"""Picture files of any size and mode, read as images of one shape without losing what they show."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from metagan.errors import UserError
from metagan.files import shown
from metagan.tasks.sources.base import Images
from metagan.tasks.sources.folders import FileKind

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
PICTURES = FileKind(
    (".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"),
    "PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF",
)
EXTREME = 3
"""Pictures that are longer than this many times their width are padded, not cropped."""
FAINTEST = 3
"""Levels of 255 between the darkest and the brightest pixel, below which a picture shows nothing."""
LARGEST_SIDE = 512
"""Pixels up to which samples are enlarged: they hold no detail that more would show."""
CLEARER = 4
"""Contrast on black over that on white, from which a transparent picture is put on black."""

logger = logging.getLogger(__name__)


def read_pictures(files: Sequence[Path], image_size: int, channels: int) -> Images:
    """The upright middle squares, uint8 (n, channels, image_size, image_size); says which deep pictures were scaled.

    A long picture is padded with the colour of its border; transparency becomes white, or black where that shows more.
    Raises UserError for a picture that is corrupt, of one colour, too thin, or so large that it could be a bomb.
    """
    read = [_read(file, image_size, channels) for file in files]
    for scale in {scale: None for _, scale in read if scale}:
        first, *others = [file for file, (_, own) in zip(files, read, strict=True) if own == scale]
        more = f" and {len(others)} more in its folder" if others else ""
        logger.warning("%s%s: %s", shown(first), more, scale)
    return np.stack([image for image, _ in read])


def typical_side(files: Sequence[Path]) -> int:
    """The median side in pixels of the squares that `read_pictures` takes from these files, at most LARGEST_SIDE."""
    sides = []
    for file in files:
        with Image.open(file, formats=FORMATS) as picture:  # the header alone; turning changes no square
            sides.append(max(picture.size) if _is_extreme(picture) else min(picture.size))
    return min(int(np.median(sides)), LARGEST_SIDE)


def read_picture(file: BinaryIO, image_size: int, channels: int) -> Images:
    """One picture as `read_pictures` reads it, uint8 (channels, image_size, image_size)."""
    image, scale = _read(file, image_size, channels)
    if scale:
        logger.warning("a picture was read so: %s", scale)
    return image


def _read(file: Path | BinaryIO, image_size: int, channels: int) -> tuple[Images, str]:
    """One picture, and how its values were scaled if they were."""
    try:
        picture, scale = _eight_bits(*_opened(file, channels))
        white, *black = [
            _square(ground.convert("RGB" if channels == 3 else "L"), image_size) for ground in _opaque(picture)
        ]
        pixels = black[0] if black and _contrast(black[0]) > CLEARER * _contrast(white) else white
        if np.ptp(pixels, axis=(0, 1)).max() < FAINTEST:
            what = "grey" if channels == 1 else "colour"
            raise UserError(
                f"it shows nothing: the middle of it, at {image_size} x {image_size} pixels, is of one {what}"
            )
    except UserError as error:
        name = shown(file) if isinstance(file, Path) else "the data"
        raise UserError(f"{name} cannot be read as a picture: {error}") from error
    return pixels.transpose(2, 0, 1), scale


def _contrast(pixels: Images) -> float:
    return float(pixels.std((0, 1)).max())


def _opened(file: Path | BinaryIO, channels: int) -> tuple[Image.Image, bool]:
    """The upright picture, and whether its file holds 16 bits a value. Raises UserError for a damaged one.

    Of colours by their lightness (LAB) a grey picture has the lightness: colours of one luminance may differ in it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which say nothing about the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as picture:
                deep = ";16" in str(picture.tile)
                picture.load()
                upright = _turned(picture)
                if upright.mode == "LAB":
                    upright = upright.convert("RGB") if channels == 3 else upright.getchannel("L")
                return upright, deep
    except Exception as error:  # damage leads Pillow to errors of any kind
        raise UserError(" ".join(str(error).split()) or repr(error)) from error


def _turned(picture: Image.Image) -> Image.Image:
    """The picture as its EXIF data say that it is held; as it is where they cannot be read."""
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damage leads Pillow to errors of any kind
        return picture.copy()


def _eight_bits(picture: Image.Image, deep: bool) -> tuple[Image.Image, str]:
    """The picture with 8 bits a value, and how its values were scaled if they were."""
    if picture.mode[0] in "IF":
        return _from_numbers(picture)
    return _from_upper_bytes(picture) if deep else (picture, "")


def _from_numbers(picture: Image.Image) -> tuple[Image.Image, str]:
    """A grey picture of more than 8 bits a pixel, scaled by as many bits as its values fill, but no less than 8."""
    values = np.asarray(picture)
    if not np.isfinite(values).all():
        raise UserError("it holds numbers that are not finite")
    values = values.astype(np.float64)
    black = min(values.min(), 0.0)
    highest = values.max() - black
    fractions = picture.mode == "F" and highest <= 1
    white = black + (1.0 if fractions else 2.0 ** max(int(highest).bit_length(), 8) - 1)
    grey = Image.fromarray(((values - black) * (255 / (white - black))).round().astype(np.uint8))
    transparent = picture.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    if (black, white) == (0, 2**16 - 1):
        return grey, ""
    return grey, f"its values were scaled so that {black:g} is black and {white:g} is white"


def _from_upper_bytes(picture: Image.Image) -> tuple[Image.Image, str]:
    """A picture of 16 bits a channel, of which Pillow reads the upper 8: scaled by as many bits as they fill."""
    if picture.mode in ("LA", "RGBA") and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert(picture.mode.removesuffix("A"))
    highest = int(np.asarray(picture).max())
    filled = highest.bit_length()
    if filled == 8:
        return picture, ""
    if filled < 4:
        raise UserError(f"it fills {8 + filled} or fewer of its 16 bits a channel: save it with 8 bits a channel")
    levels = [min(round(level * 255 / (2**filled - 1)), 255) for level in range(256)]
    scaled = picture.point(levels * len(picture.getbands()))
    return scaled, f"it fills {8 + filled} of its 16 bits a channel, and was scaled by those"


def _opaque(picture: Image.Image) -> list[Image.Image]:
    """The picture; a transparent one on white and on black."""
    if not picture.has_transparency_data:
        return [picture]
    transparent = picture.convert("RGBA")
    return [
        Image.alpha_composite(Image.new("RGBA", picture.size, ground), transparent) for ground in ("white", "black")
    ]


def _is_extreme(picture: Image.Image) -> bool:
    return max(picture.size) > EXTREME * min(picture.size)


def _square(picture: Image.Image, size: int) -> Images:
    """The middle square, uint8 (size, size, C); a picture longer than EXTREME is shown whole."""
    width, height = picture.size
    if _is_extreme(picture):
        if max(picture.size) > size * min(picture.size):
            raise UserError(f"it is {width} x {height} pixels, so thin that nothing of it is left: crop it")
        pixels = np.asarray(picture).reshape(height, width, -1)
        border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        square = ImageOps.pad(picture, (size, size), color=tuple(np.median(border, axis=0).astype(int).tolist()))
    else:
        square = ImageOps.fit(picture, (size, size))
    return np.asarray(square).reshape(size, size, -1)
