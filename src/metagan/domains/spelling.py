"""Lines of text as codes: lower case, in Latin letters and the marks that Unicode takes off them.

é is written as e and an acute accent, so that few codes spell many languages.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError

Codes = NDArray[np.uint8]

LONGEST = 16
"""Characters of an example, marks counted."""
MARKS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u0309\u030a\u030b\u030c\u031b\u0323\u0326\u0327\u0328"
CHARACTERS = "abcdefghijklmnopqrstuvwxyzßæœøđðþł\u0131ŋə -'" + MARKS
"""Code 0 is the end; code i + 1 is CHARACTERS[i]."""
SIZE = len(CHARACTERS) + 1
_CODE_OF = {character: code for code, character in enumerate(CHARACTERS, 1)}
_QUOTES = str.maketrans("`\u2018\u2019\u02bc\u02bb\u02bf\u02be", "'" * 7)


def spelled(line: str) -> str:
    """The line in CHARACTERS, decomposed, of any length; what has no place among them is left out.

    Raises UserError when it has letters of another script and `anyascii` is not installed.
    """
    composed = unicodedata.normalize("NFC", line.lower()).translate(_QUOTES)
    kept = "".join(_spelled(character) for character in composed)
    return " ".join("".join(character for character in kept if character in _CODE_OF).split())


@lru_cache(maxsize=100_000)
def _spelled(character: str) -> str:
    """One composed character: Latin ones as they are, others in Latin letters."""
    parts = unicodedata.normalize("NFD", character)
    if character.isspace():
        return " "
    if parts[0] in _CODE_OF or character.isascii() or unicodedata.combining(character):
        return parts
    return romanised(character).lower().translate(_QUOTES)


def romanised(text: str) -> str:
    """The text in ASCII. Raises UserError when `anyascii`, which knows how, is not installed."""
    try:
        from anyascii import anyascii
    except ImportError:
        raise UserError(f"{text!r} is to be written in Latin letters: pip install metagan[text]") from None
    return anyascii(text)


def encoded(texts: Sequence[str]) -> Codes:
    """(n, LONGEST) codes of texts in CHARACTERS of at most that length; what follows the end is 0."""
    codes = np.zeros((len(texts), LONGEST), np.uint8)
    for row, text in zip(codes, texts, strict=True):
        row[: len(text)] = [_CODE_OF[character] for character in text]
    return codes


def decoded(codes: Codes) -> list[str]:
    """The texts of (n, LONGEST) codes up to their ends, with marks on the letters before them."""
    return [unicodedata.normalize("NFC", "".join(CHARACTERS[code - 1] for code in _before_end(row))) for row in codes]


def _before_end(row: Iterable[int]) -> list[int]:
    codes = [int(code) for code in row]
    return codes[: codes.index(0)] if 0 in codes else codes
