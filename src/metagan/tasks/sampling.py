"""Tasks as pure functions of (bank, split, seed, index), so that any worker or rank can draw task i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metagan.errors import UserError
from metagan.tasks.bank import TaskBank

_CLASS_ORDER, _GENERATION, _EPISODE, _SHOTS = 0, 1, 2, 5  # others are keys of `tasks.streams`


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
    class_index = int(generator_of(seed, _CLASS_ORDER, epoch).permutation(classes)[position])
    support, query = _support_and_query(bank, class_index, k_shot, n_query, generator_of(seed, _GENERATION, index))
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
    generator = generator_of(seed, _EPISODE, index)
    chosen = tuple(int(i) for i in generator.choice(classes, n_way, replace=False))
    drawn = [_support_and_query(bank, class_index, k_shot, n_query, generator) for class_index in chosen]
    support, query = zip(*drawn, strict=True)
    return Episode(torch.stack(support), torch.stack(query), chosen)


def drawn_shots(seed: int, index: int, smallest: int, largest: int) -> int:
    """K of meta-step `index`, uniform between `smallest` and `largest`, both included."""
    return int(generator_of(seed, _SHOTS, index).integers(smallest, largest, endpoint=True))


def generator_of(seed: int, key: int, index: int) -> np.random.Generator:
    """Random numbers of task `index`; those of different keys have nothing to do with each other."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(key, index))))


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


def _support_and_query(
    bank: TaskBank, class_index: int, k_shot: int, n_query: int, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    images = bank.class_images(class_index)
    if k_shot + n_query > len(images):
        raise UserError(
            f"k_shot + n_query = {k_shot + n_query}, but class {bank.classes[class_index].name!r} "
            f"has {len(images)} {bank.domain.names.many}: lower one of them"
        )
    chosen = images[generator.permutation(len(images))[: k_shot + n_query]]
    pixels = bank.domain.to_tensor(chosen)
    return pixels[:k_shot], pixels[k_shot:]
