"""A person's few pictures of one thing, made to look like the images of a bank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError
from metagan.parameters import Adapt
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import Images
from metagan.tasks.sources.picture_files import picture_files, read_picture

FEWEST, MOST = 3, 50


def read_own_pictures(settings: Adapt, bank: TaskBank) -> tuple[Images, NDArray[np.bool_]]:
    """The pictures of `settings.images` in the shape of the bank, uint8 (K, C, H, W), and which were inverted, (K,).

    Raises UserError for no folder, too few or too many pictures, and one that cannot be read.
    """
    folder = settings.images
    if folder is None:
        raise UserError(
            "adapt.images: must name a folder of pictures, as in kedro run --pipelines adapt --params adapt.images=DIR"
        )
    if not folder.is_dir():
        raise UserError(f"adapt.images: {folder} is not a folder")
    files = picture_files(folder)
    if not FEWEST <= len(files) <= MOST:
        raise UserError(
            f"adapt.images: {folder} holds {len(files)} PNG, JPEG or WebP files; {FEWEST} to {MOST} of one thing are "
            "needed"
        )
    images = np.stack([read_picture(file, bank.image_size, bank.channels) for file in files])
    inverted = _to_invert(images, settings.invert, bank)
    return np.where(inverted[:, None, None, None], 255 - images, images), inverted


def _to_invert(images: Images, invert: str, bank: TaskBank) -> NDArray[np.bool_]:
    """`auto` inverts a grey picture whose background is bright where the bank's is dark, and the other way round.

    A bank without one background, such as photographs, leaves the pictures alone.
    """
    if invert == "auto" and bank.channels == 1:
        share = np.mean([_has_dark_border(bank.class_images(index)[:5]).mean() for index in bank.splits["train"]])
        if share >= 0.95 or share <= 0.05:
            return _has_dark_border(images) != (share >= 0.95)
    return np.full(len(images), invert == "always")


def _has_dark_border(images: Images) -> NDArray[np.bool_]:
    """Whether the median of the outermost pixels of each image (n, C, H, W) is in the darker half: (n,)."""
    border = np.ones(images.shape[-2:], bool)
    border[1:-1, 1:-1] = False
    return np.median(images[..., border], axis=(1, 2)) < 128
