"""What every task source hands to the bank: a table of classes and, for each class, a way to draw its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.uint8]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class ClassRecord:
    """One class: its name, the group it belongs to (script, alphabet ...), its split and its number of images."""

    name: str
    group: str
    split: Split
    n_images: int


@dataclass(frozen=True)
class Source:
    """Classes and their drawings. `drawings[i]()` gives uint8 (n_images, C, H, W), in any process."""

    name: str
    note: str
    image_size: int
    channels: int
    classes: tuple[ClassRecord, ...]
    drawings: tuple[Callable[[], Images], ...]

    def render(self, class_index: int) -> Images:
        """All images of one class, uint8 (n_images, C, H, W)."""
        return self.drawings[class_index]()
