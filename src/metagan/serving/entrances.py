"""How examples of a domain come in with a request: as texts, each a file in base64 or a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from metagan.domains.base import Shape
from metagan.serving import lines, pictures, recordings


@dataclass(frozen=True)
class Entrance:
    """`count(name, texts)` are the pixels or the like of what is sent, as headers tell them before any is decoded;
    `read(name, texts, shape)` gives it in [0, 1], (n, C, H, W). Both raise UserError, which starts with `name`, for
    what cannot be read. `example(shape)` can be."""

    count: Callable[[str, Sequence[str]], int]
    read: Callable[[str, Sequence[str], Shape], Tensor]
    example: Callable[[Shape], list[str]]


ENTRANCES: Mapping[str, Entrance] = {
    "image": Entrance(pictures.count_pixels, pictures.from_base64, pictures.squares),
    "speech": Entrance(recordings.count_numbers, recordings.from_base64, recordings.tones),
    "text": Entrance(lines.count_characters, lines.as_words, lines.names),
}
