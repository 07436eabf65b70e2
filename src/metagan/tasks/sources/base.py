"""What every task source hands to the bank: a table of classes and, for each class, a way to draw its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.parameters import StoredExample

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
    """Classes and their drawings. `drawings[i]()` gives examples (n_images, *shape), as stored, in any process.

    `recordings[i]()`, of a source of speech, gives the sounds that these show, n_images of (n,).
    """

    name: str
    note: str
    example: StoredExample
    classes: tuple[ClassRecord, ...]
    drawings: tuple[Callable[[], Images], ...]
    recordings: tuple[Callable[[], Sequence[NDArray[np.float32]]], ...] = ()

    def render(self, class_index: int) -> Images:
        """All examples of one class, (n_images, *shape)."""
        return self.drawings[class_index]()


def with_train_classes(source: Source, count: int, seed: int) -> Source:
    """`count` of its train classes at random, and all others as they are. Raises UserError where there are fewer."""
    train = [place for place, record in enumerate(source.classes) if record.split == "train"]
    if count > len(train):
        raise UserError(f"tasks.train_classes: {count}, but {source.name} has only {len(train)} train classes")
    chosen = {train[position] for position in np.random.default_rng(seed).permutation(len(train))[:count]}
    kept = [i for i, record in enumerate(source.classes) if record.split != "train" or i in chosen]
    return replace(
        source,
        classes=tuple(source.classes[i] for i in kept),
        drawings=tuple(source.drawings[i] for i in kept),
        recordings=tuple(source.recordings[i] for i in kept if source.recordings),
    )


def ink(image_size: int) -> StoredExample:
    """Grey images in which what is bright is ink."""
    return stored_example("image", (1, image_size, image_size), on_paper=True)
