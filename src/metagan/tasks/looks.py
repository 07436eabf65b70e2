"""Looks of a phase: all its examples, in [0, 1], are changed alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from torch import Tensor

from metagan.domains import Domain

Change: TypeAlias = Callable[[Domain, Tensor], Tensor]


class PhaseLook(NamedTuple):
    """`undo` gives back what `change` was given, so that an embedder may see examples as those that it was trained
    on."""

    change: Change
    undo: Change


LOOKS: dict[str, PhaseLook] = {
    "plain": PhaseLook(lambda domain, examples: examples, lambda domain, examples: examples),
    "inverted": PhaseLook(lambda domain, examples: 1 - examples, lambda domain, examples: 1 - examples),
    "pale": PhaseLook(lambda domain, examples: examples / 2, lambda domain, examples: (2 * examples).clamp(0, 1)),
    "turned": PhaseLook(
        lambda domain, examples: domain.turn(examples, 1), lambda domain, examples: domain.turn(examples, -1)
    ),
}
