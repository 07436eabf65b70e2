"""Lines of text in requests, as they are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from metagan.domains import DOMAINS
from metagan.domains.base import Shape
from metagan.domains.spelling import encoded
from metagan.errors import UserError
from metagan.tasks.sources.text_files import fitting

MOST_CHARACTERS = 256
"""Of a line that is looked at; in Latin letters it may be longer or shorter."""


def count_characters(name: str, lines: Sequence[str]) -> int:
    """Raises UserError, which starts with `name`, for a line that is too long to be looked at."""
    for number, line in enumerate(lines):
        if len(line) > MOST_CHARACTERS:
            raise UserError(f"{name}: number {number} has {len(line)} characters, more than {MOST_CHARACTERS}")
    return sum(map(len, lines))


def as_words(name: str, lines: Sequence[str], shape: Shape) -> Tensor:
    """Lines in any script as words (n, characters, 1, *shape).

    Raises UserError, which starts with `name`, for one that cannot be an example.
    """
    words: list[str] = []
    for number, line in enumerate(lines):
        found = fitting(line)
        if len(found.texts) != 1 or found.left_out:
            reason = next(iter(found.left_out), "more than one" if found.texts else "empty")
            raise UserError(f"{name}: number {number} cannot be read as a line ({reason})")
        words += found.texts
    if not words:
        raise UserError(f"{name}: holds no line")
    return DOMAINS["text"].to_tensor(encoded(words))


def names(shape: Shape) -> list[str]:
    """Three lines of one kind."""
    return ["anna", "hanna", "susanna"]
