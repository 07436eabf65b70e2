"""Pictures in requests and answers: files as base64 text, which JSON can hold and a browser or any language reads."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from metagan.errors import UserError
from metagan.reporting.figures import base64_png, tile
from metagan.tasks.sampling import to_bytes, to_floats
from metagan.tasks.sources.picture_files import read_picture


def to_base64(images: Tensor) -> list[str]:
    """Images (n, C, H, W) in [0, 1] as n PNG files."""
    return [base64_png(tile(image[None], on_paper=False, columns=1)) for image in to_bytes(images)]


def from_base64(name: str, pictures: Sequence[str], image_size: int, channels: int) -> Tensor:
    """PNG, JPEG or WebP files of any size and mode as images (n, channels, image_size, image_size) in [0, 1].

    Raises UserError, which starts with `name`, for one that cannot be read.
    """
    images = []
    for number, picture in enumerate(pictures):
        try:
            images.append(read_picture(io.BytesIO(base64.b64decode(picture, validate=True)), image_size, channels))
        except (binascii.Error, ValueError) as error:
            told = error.__cause__ or error
            raise UserError(f"{name}: number {number} is no picture file as base64 text ({told})") from error
    if not images:
        raise UserError(f"{name}: holds no picture")
    return to_floats(np.stack(images))
