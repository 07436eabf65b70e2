"""A bank whose train classes are chosen and added to, while its val and test classes stay as they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.sources.base import ClassRecord, Images


def joined(bank: TaskBank, train: ClassIndices, added: Sequence[Images], group: str) -> TaskBank:
    """In memory: the train classes `train` of the bank and the `added` ones (n, *shape), which form a group of train
    classes, before all val and test classes of the bank."""
    kept = [int(index) for index in (*train, *bank.splits["val"], *bank.splits["test"])]
    images = [bank.class_images(index) for index in kept[: len(train)]] + [*added]
    images += [bank.class_images(index) for index in kept[len(train) :]]
    records = [bank.classes[index] for index in kept]
    records[len(train) : len(train)] = [
        ClassRecord(f"{group} {number}", group, "train", len(own)) for number, own in enumerate(added)
    ]
    digest = hashlib.sha256(repr(records).encode())
    for own in images:
        digest.update(np.ascontiguousarray(own).tobytes())
    return replace(
        bank,
        images=np.concatenate(images),
        offsets=np.cumsum([0, *map(len, images)], dtype=np.int64),
        classes=tuple(records),
        content_hash=digest.hexdigest(),
    )
