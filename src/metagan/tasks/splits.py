"""Class-disjoint train, val and test splits: whole groups, single classes at random or by name, or Vinyals et al.'s."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from importlib import resources

import numpy as np

from metagan.errors import UserError
from metagan.tasks.sources.base import SPLITS, Split


def by_group(sizes: Mapping[str, int], minimum: Mapping[Split, int], seed: int) -> dict[str, Split]:
    """Give whole groups (scripts, alphabets) of the given numbers of classes to splits.

    The largest groups go to train until it has its minimum of classes; the others, in seeded order, fill the other
    splits of `minimum` in turn, and what is left goes to train. Raises UserError when a split stays below its minimum.
    """
    by_size = sorted(sizes, key=lambda group: (-sizes[group], group))
    split_of: dict[str, Split] = dict.fromkeys(by_size, "train")
    held = 0
    while by_size and held < minimum["train"]:
        held += sizes[by_size.pop(0)]
    rest = sorted(by_size)
    queue = deque(rest[position] for position in np.random.default_rng(seed).permutation(len(rest)))
    for split, needed in minimum.items():
        held = held if split == "train" else 0
        while held < needed and queue:
            group = queue.popleft()
            split_of[group] = split
            held += sizes[group]
        if held < needed:
            raise UserError(f"the {split} split needs {needed} classes, but only {held} are left for it")
    return split_of


def at_random(n_classes: int, train: int, val: int, seed: int) -> list[Split]:
    """The split of each of `n_classes` classes: `train` and `val` of them at random, the rest test.

    Raises UserError when a split would be empty.
    """
    counts = {"train": train, "val": val, "test": n_classes - train - val}
    for split, count in counts.items():
        if count < 1:
            raise UserError(f"the {split} split needs at least 1 class, but of {n_classes} classes it gets {count}")
    in_order = [split for split in SPLITS for _ in range(counts[split])]
    return [in_order[position] for position in np.random.default_rng(seed).permutation(n_classes)]


def by_name(names: Sequence[str], test: Collection[str], val: int, seed: int) -> dict[str, Split]:
    """The split of each of `names`, `group/name`: those in `test` of every group are test, `val` of the rest are val.

    Raises UserError when a split would be empty.
    """
    rest = [name for name in names if name.split("/")[1] not in test]
    if len(rest) == len(names) or not 0 < val < len(rest):
        raise UserError(f"of {len(names)} classes {len(rest)} are left for train and val, which is to have {val}")
    held = {rest[position] for position in np.random.default_rng(seed).permutation(len(rest))[:val]}
    return {name: "val" if name in held else "train" if name in rest else "test" for name in names}


def vinyals() -> dict[str, Split]:
    """Omniglot's split of Matching Networks (arXiv 1606.04080): the split of each `Alphabet/characterNN`."""
    table = resources.files("metagan.tasks").joinpath("data", "omniglot_vinyals.tsv").read_text(encoding="utf-8")
    split_of: dict[str, Split] = {}
    for line in table.splitlines():
        if not line.startswith("#"):
            name, alphabet, numbers = line.split("\t")
            split = SPLITS[SPLITS.index(name)]
            split_of |= {f"{alphabet}/character{number}": split for number in numbers.split()}
    return split_of
