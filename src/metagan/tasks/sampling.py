"""Tasks as pure functions of (bank, split, seed, index), so that any worker or rank can draw task i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metagan.errors import UserError
from metagan.tasks.bank import TaskBank

_CLASS_ORDER, _GENERATION, _EPISODE, _TURNS, _JITTER, _SHOTS = range(6)
LARGEST_JITTER = (0.2, 0.12, 0.12, 0.12, 1 / 7, 1 / 7)
"""Angle in radians, logarithms of width and height, shear, shift to the side and down in halves of the image."""


class GenerationTask(NamedTuple):
    """One class: support (K, C, H, W) and query (Q, C, H, W), float32 in [0, 1]."""

    support: Tensor
    query: Tensor
    class_index: int


class Episode(NamedTuple):
    """N-way classification: support (N, K, C, H, W) and query (N, Q, C, H, W), float32 in [0, 1]."""

    support: Tensor
    query: Tensor
    class_indices: tuple[int, ...]


def generation_task(
    bank: TaskBank,
    split: str,
    seed: int,
    index: int,
    k_shot: int,
    n_query: int,
    class_indices: Sequence[int] | NDArray[np.int64] | None = None,
) -> GenerationTask:
    """Task `index` of the endless stream of tasks of a split.

    Classes come in a seeded order, each once before any comes again; support and query are disjoint.
    `class_indices` restricts the stream to some classes of the split.
    Raises ValueError when the split is empty or k_shot + n_query is larger than the class.
    """
    classes = _classes(bank, split, class_indices, 1)
    epoch, position = divmod(index, len(classes))
    class_index = int(_generator(seed, _CLASS_ORDER, epoch).permutation(classes)[position])
    support, query = _support_and_query(bank, class_index, k_shot, n_query, _generator(seed, _GENERATION, index))
    return GenerationTask(support, query, class_index)


def episode(
    bank: TaskBank,
    split: str,
    seed: int,
    index: int,
    n_way: int,
    k_shot: int,
    n_query: int,
    class_indices: Sequence[int] | NDArray[np.int64] | None = None,
) -> Episode:
    """Episode `index` of a split: `n_way` different classes, disjoint support and query images of each.

    Raises ValueError when n_way is larger than the split or k_shot + n_query than a class.
    """
    classes = _classes(bank, split, class_indices, n_way)
    generator = _generator(seed, _EPISODE, index)
    chosen = tuple(int(i) for i in generator.choice(classes, n_way, replace=False))
    drawn = [_support_and_query(bank, class_index, k_shot, n_query, generator) for class_index in chosen]
    support, query = zip(*drawn, strict=True)
    return Episode(torch.stack(support), torch.stack(query), chosen)


def drawn_shots(seed: int, index: int, smallest: int, largest: int) -> int:
    """K of meta-step `index`, uniform between `smallest` and `largest`, both included."""
    return int(_generator(seed, _SHOTS, index).integers(smallest, largest, endpoint=True))


def turned(drawn: Episode, seed: int, index: int) -> Episode:
    """Each class of episode `index` turned by its own 0 to 3 quarter turns, which makes new classes of characters.

    The class augmentation of Santoro et al. 2016 (arXiv 1605.06065, section 4.1).
    """
    turns = _generator(seed, _TURNS, index).integers(0, 4, len(drawn.class_indices))
    support, query = (
        torch.stack([torch.rot90(images, int(turn), (-2, -1)) for images, turn in zip(part, turns, strict=True)])
        for part in (drawn.support, drawn.query)
    )
    return Episode(support, query, drawn.class_indices)


def jittered(drawn: Episode, seed: int, index: int) -> Episode:
    """Every image of episode `index` turned, stretched, sheared and moved a little, each by itself; see `moved`."""
    generator = _generator(seed, _JITTER, index)

    def jitter(part: Tensor) -> Tensor:
        images = part.flatten(0, 1)
        changes = generator.uniform(-1, 1, (len(images), len(LARGEST_JITTER))) * LARGEST_JITTER
        return moved(images, torch.from_numpy(changes).to(images)).view_as(part)

    return Episode(jitter(drawn.support), jitter(drawn.query), drawn.class_indices)


def moved(images: Tensor, changes: Tensor) -> Tensor:
    """Images (N, C, H, W) under the affine distortions of Simard et al. 2003 (ICDAR, section 2).

    `changes` (N, 6): what LARGEST_JITTER names, of each image.
    """
    angle, width, height, shear, right, down = changes.unbind(1)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    stretch = torch.stack([width.exp(), shear, torch.zeros_like(shear), height.exp()], 1).view(-1, 2, 2)
    affine = torch.cat([turn @ stretch, torch.stack([right, down], 1)[:, :, None]], 2)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def turned_task(task: GenerationTask, seed: int, index: int) -> GenerationTask:
    """Generation task `index` turned by 0 to 3 quarter turns; see `turned`."""
    turns = int(_generator(seed, _TURNS, index).integers(0, 4))
    support, query = (torch.rot90(images, turns, (-2, -1)) for images in (task.support, task.query))
    return GenerationTask(support, query, task.class_index)


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(stream, index))))


def _classes(
    bank: TaskBank, split: str, class_indices: Sequence[int] | NDArray[np.int64] | None, n_way: int
) -> NDArray[np.int64]:
    if split not in bank.splits:
        raise ValueError(f"split is {split!r}; valid: {', '.join(bank.splits)}")
    classes = bank.splits[split]
    if class_indices is not None:
        classes = np.intersect1d(classes, class_indices)
    if len(classes) < n_way:
        raise UserError(f"{n_way} classes are needed (n_way), but split {split!r} has {len(classes)} to draw from")
    return classes


def to_floats(images: NDArray[np.uint8]) -> Tensor:
    """Images of bytes as float32 in [0, 1]."""
    return torch.from_numpy(np.asarray(images)).to(torch.float32) / 255


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """Images in [0, 1] of any shape and device -> uint8 of the same shape."""
    return images.clamp(0.0, 1.0).mul(255).round().to(torch.uint8).numpy(force=True)


def _support_and_query(
    bank: TaskBank, class_index: int, k_shot: int, n_query: int, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    images = bank.class_images(class_index)
    if k_shot + n_query > len(images):
        raise UserError(
            f"k_shot + n_query = {k_shot + n_query}, but class {bank.classes[class_index].name!r} "
            f"has {len(images)} images: lower one of them"
        )
    chosen = images[generator.permutation(len(images))[: k_shot + n_query]]
    pixels = to_floats(chosen)
    return pixels[:k_shot], pixels[k_shot:]
