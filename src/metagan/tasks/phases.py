"""Phases of a stream: groups of train classes, of each some to train on and some that are held back to measure."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from metagan.errors import UserError
from metagan.parameters.continual import Stream
from metagan.parameters.stream import LookName
from metagan.tasks.bank import ClassIndices, TaskBank

LEAST_HELD_BACK = 2
_PHASES = 17


class Phase(NamedTuple):
    """Train classes that belong together, and how their examples look."""

    name: str
    look: LookName
    trained: ClassIndices
    held_back: ClassIndices


def phases_of(bank: TaskBank, stream: Stream, seed: int) -> tuple[Phase, ...]:
    """Phases of train classes in seeded order: the largest groups, or (`by` "class") equal parts at random.

    The first has the first look, and so on, from the beginning again after the last. A share `held_back` of the classes
    of each, at least two, is for measuring, and no stream draws it. Raises UserError when there are too few groups or
    classes.
    """
    count, looks = stream.phases, stream.looks
    generator = np.random.default_rng((seed, _PHASES))
    parts = _groups(bank, count) if stream.by == "group" else _parts(bank, count, generator)
    names = [list(parts)[place] for place in generator.permutation(count)]
    return tuple(
        _divided(name, looks[place % len(looks)], parts[name], stream.held_back, generator)
        for place, name in enumerate(names)
    )


def _groups(bank: TaskBank, count: int) -> dict[str, ClassIndices]:
    sizes = Counter(bank.classes[index].group for index in bank.splits["train"])
    if len(sizes) < count:
        raise UserError(
            f"continual.stream.phases: {count}, but the train classes of {bank.source} are of {len(sizes)} group(s): "
            "take fewer, or set continual.stream.by to class"
        )
    largest = sorted(sizes, key=lambda group: (-sizes[group], group))[:count]
    return {
        group: np.array([index for index in bank.splits["train"] if bank.classes[index].group == group])
        for group in largest
    }


def _parts(bank: TaskBank, count: int, generator: np.random.Generator) -> dict[str, ClassIndices]:
    shuffled = generator.permutation(bank.splits["train"])
    return {f"part {number}": np.sort(part) for number, part in enumerate(np.array_split(shuffled, count), start=1)}


def _divided(name: str, look: LookName, classes: ClassIndices, share: float, generator: np.random.Generator) -> Phase:
    away = max(LEAST_HELD_BACK, round(share * len(classes)))
    if len(classes) <= away:
        raise UserError(
            f"continual.stream.phases: the phase {name!r} has too few classes, {len(classes)}, of which {away} are "
            "held back: take fewer phases, or another continual.stream.by"
        )
    shuffled = generator.permutation(classes)
    return Phase(name, look, np.sort(shuffled[away:]), np.sort(shuffled[:away]))
