"""Class-disjoint train, val and test splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from metagan.tasks.sources.base import Split


def by_group(group_sizes: Mapping[str, int], split: Split, minimum: int, seed: int) -> dict[str, Split]:
    """Whole groups in seeded order go to `split` until it has `minimum` classes; the others stay in train."""
    groups = sorted(group_sizes)
    chosen: dict[str, Split] = dict.fromkeys(groups, "train")
    taken = 0
    for position in np.random.default_rng(seed).permutation(len(groups)):
        if taken >= minimum:
            break
        chosen[groups[position]] = split
        taken += group_sizes[groups[position]]
    return chosen


def group_sizes(groups: Sequence[str]) -> dict[str, int]:
    """Number of classes of each group."""
    return dict(Counter(groups))
