"""Pictures in requests and answers: files as base64 text, which JSON can hold and a browser or any language reads."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metagan.domains.image import base64_png, tile, to_bytes, to_floats
from metagan.errors import UserError
from metagan.serving.limits import MOST_NUMBERS_OF_ONE
from metagan.tasks.sources.picture_files import FORMATS, read_picture


def to_base64(images: Tensor) -> list[str]:
    """Images (n, C, H, W) in [0, 1] as n PNG files."""
    return [base64_png(tile(image[None], on_paper=False, columns=1)) for image in to_bytes(images)]


def count_pixels(name: str, pictures: Sequence[str]) -> int:
    """The pixels of picture files as their headers tell them; nothing is decoded.

    Raises UserError, which starts with `name`, for a file that is no picture or too large.
    """
    total = 0
    for number, picture in enumerate(pictures):
        width, height = _size(name, number, picture)
        if width * height > MOST_NUMBERS_OF_ONE:
            most = f"more than the {MOST_NUMBERS_OF_ONE} pixels of a picture"
            raise UserError(f"{name}: number {number} has {width} x {height}, {most}")
        total += width * height
    return total


def _size(name: str, number: int, picture: str) -> tuple[int, int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(_file(picture), formats=FORMATS) as header:
                return header.size
    except Exception as error:  # damage leads Pillow to errors of any kind
        raise UserError(f"{name}: number {number} is no picture file as base64 text ({error})") from error


def _file(picture: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(picture, validate=True))


def from_base64(name: str, pictures: Sequence[str], shape: tuple[int, ...]) -> Tensor:
    """Picture files of any size and mode as images (n, *shape) in [0, 1].

    Raises UserError, which starts with `name`, for one that cannot be read or is of one colour.
    """
    images = []
    for number, picture in enumerate(pictures):
        try:
            images.append(read_picture(_file(picture), shape[-1], shape[0]))
        except ValueError as error:
            told = error.__cause__ or error
            raise UserError(f"{name}: number {number} cannot be read as a picture ({told})") from error
    if not images:
        raise UserError(f"{name}: holds no picture")
    return to_floats(np.stack(images))


def squares(shape: tuple[int, ...]) -> list[str]:
    """Three pictures of a bright square."""
    images, quarter = torch.zeros(3, *shape), shape[-1] // 4
    images[..., quarter:-quarter, quarter:-quarter] = 1
    return to_base64(images)
