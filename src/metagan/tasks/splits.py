"""Class-disjoint train, val and test splits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metagan.tasks.sources.base import Split


def by_group(sizes: Mapping[str, int], minimum: Mapping[Split, int], seed: int) -> dict[str, Split]:
    """Give whole groups (scripts, alphabets) of the given numbers of classes to splits.

    The largest groups go to train until it has its minimum of classes; the others, in seeded order, fill the other
    splits of `minimum` in turn, and what is left goes to train. Raises ValueError when a split stays too small.
    """
    by_size = sorted(sizes, key=lambda group: (-sizes[group], group))
    before = np.cumsum([0, *(sizes[group] for group in by_size)])
    anchors = int(np.searchsorted(before, minimum["train"]))
    chosen: dict[str, Split] = dict.fromkeys(by_size, "train")
    rest = sorted(by_size[anchors:])
    queue = [rest[position] for position in np.random.default_rng(seed).permutation(len(rest))]
    for split in [split for split in minimum if split != "train"]:
        taken = 0
        while taken < minimum[split]:
            if not queue:
                raise ValueError(f"split {split!r} needs {minimum[split]} classes, but the groups left for it hold {taken}")
            group = queue.pop(0)
            chosen[group] = split
            taken += sizes[group]
    return chosen
