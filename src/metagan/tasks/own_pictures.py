"""A person's few pictures of one thing, made to look like the images of a bank."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Adapt, Augment
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import Images
from metagan.tasks.sources.picture_files import PICTURES, read_pictures, typical_side

MOST = 50


class OwnPictures(NamedTuple):
    """Pictures in the shape of a bank, uint8 (K, C, H, W), which of them were inverted, (K,), and their files."""

    images: Images
    inverted: NDArray[np.bool_]
    files: tuple[Path, ...]

    @property
    def turned(self) -> bool:
        """Whether most were inverted, and samples are to be."""
        return bool(self.inverted.mean() > 0.5)

    @property
    def side(self) -> int:
        """Of the squares that samples are to fill, in pixels."""
        return typical_side(self.files)


def read_own_pictures(settings: Adapt, bank: TaskBank, fewest: int = 1) -> OwnPictures:
    """The pictures of `settings.images`.

    Raises UserError for a bank of another domain, no folder, fewer than `fewest` or too many pictures, and one that
    cannot be read.
    """
    _check_domain("adapt", bank)
    folder = settings.images
    if folder is None:
        raise UserError(
            "adapt.images: must name a folder of pictures, as in kedro run --pipelines adapt --params adapt.images=DIR"
        )
    if not folder.is_dir():
        raise UserError(f"adapt.images: {shown(folder)} is not a folder")
    files, left_out = PICTURES.files(folder)
    PICTURES.tell_left_out("adapt.images", folder, left_out)
    if not fewest <= len(files) <= MOST:
        raise UserError(
            f"adapt.images: {shown(folder)} holds {len(files)} {PICTURES.name} files; {fewest} to {MOST} of one thing "
            "are needed"
        )
    return _pictures_of(files, settings.invert, bank)


def read_own_classes(settings: Augment, bank: TaskBank, fewest: int) -> dict[str, OwnPictures]:
    """The pictures of each class folder of `settings.images`, which is a folder, by its name.

    Raises UserError for a bank of another domain, no class folders, a class of fewer than `fewest` pictures, and a
    picture that cannot be read.
    """
    _check_domain("augment", bank)
    assert settings.images is not None
    classes = PICTURES.class_folders("augment.images", settings.images, fewest)
    return {name: _pictures_of(files, settings.invert, bank) for name, files in classes.items()}


def _check_domain(user: str, bank: TaskBank) -> None:
    if bank.example.domain != "image":
        raise UserError(f"{user}: reads pictures, but the task bank of {bank.source} has {bank.example.domain}")


def _pictures_of(files: tuple[Path, ...], invert: str, bank: TaskBank) -> OwnPictures:
    """What these files show. Raises UserError for one that cannot be read."""
    channels, size, _ = bank.example.shape
    images = read_pictures(files, size, channels)
    inverted = _to_invert(images, invert, bank)
    return OwnPictures(np.where(inverted[:, None, None, None], 255 - images, images), inverted, files)


def _to_invert(images: Images, invert: str, bank: TaskBank) -> NDArray[np.bool_]:
    """`auto` inverts a grey picture whose background is bright where the bank's is dark, and the other way round.

    A bank without one background, such as photographs, leaves the pictures alone.
    """
    if invert == "auto" and bank.example.shape[0] == 1:
        share = np.mean([_has_dark_border(bank.class_images(index)[:5]).mean() for index in bank.splits["train"]])
        if share >= 0.95 or share <= 0.05:
            return _has_dark_border(images) != (share >= 0.95)
    return np.full(len(images), invert == "always")


def _has_dark_border(images: Images) -> NDArray[np.bool_]:
    """Whether the median of the outermost pixels of each image (n, C, H, W) is in the darker half: (n,)."""
    border = np.ones(images.shape[-2:], bool)
    border[1:-1, 1:-1] = False
    return np.median(images[..., border], axis=(1, 2)) < 128
