"""Text files in any encoding, read as lines that can be spelled."""

from __future__ import annotations

import codecs
import logging
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from metagan.domains.spelling import LONGEST, spelled
from metagan.errors import UserError
from metagan.files import shown
from metagan.tasks.sources.folders import FileKind

TEXTS = FileKind((".txt",), "TXT")
LARGEST = 50_000_000
"""Bytes of a file."""
MARKED = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the mark at the beginning of a file; that of UTF-16 begins that of UTF-32."""
ASSUMED = "windows-1252"
"""The encoding of what is no UTF-8; of its 256 bytes a few mean nothing."""

logger = logging.getLogger(__name__)


class Lines(NamedTuple):
    """Lines as `spelled` gives them, each once, and how many others a file holds, by what is unfit in them."""

    texts: tuple[str, ...]
    left_out: Counter[str]
    mixed: int


def read_lines(file: Path, fewest: int = 1) -> tuple[str, ...]:
    """The lines of a file, spelled, each once; says which are left out and why, and which encoding was assumed.

    Raises UserError, which names the file, for one that is no text, and for fewer than `fewest` lines.
    """
    text, encoding = _text(file)
    lines = fitting(text)
    if encoding:
        logger.warning("%s: is no UTF-8; %s was assumed", shown(file), encoding)
    if lines.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in lines.left_out.most_common())
        logger.warning("%s: lines left out: %s", shown(file), reasons)
    if lines.mixed:
        logger.warning("%s: %d lines mix scripts; all is in Latin letters", shown(file), lines.mixed)
    if len(lines.texts) < fewest:
        raise UserError(
            f"{shown(file)}: has {len(lines.texts)} lines that can be read, but at least {fewest} are needed"
        )
    return lines.texts


def fitting(text: str) -> Lines:
    """The lines of a text that can be examples."""
    texts: dict[str, None] = {}
    left_out: Counter[str] = Counter()
    mixed = 0
    for line in text.splitlines():
        if any(unicodedata.category(character) == "Cc" and character != "\t" for character in line):
            left_out["with control characters"] += 1
            continue
        own = spelled(line)
        if reason := _unfit(line, own, own in texts):
            left_out[reason] += 1
            continue
        mixed += len(_scripts(line)) > 1
        texts[own] = None
    return Lines(tuple(texts), left_out, mixed)


def _unfit(line: str, own: str, again: bool) -> str | None:
    if not line.strip():
        return "empty"
    if not own:
        return "without letters"
    if len(own) > LONGEST:
        return f"longer than {LONGEST} characters"
    return "there before" if again else None


def _scripts(line: str) -> set[str]:
    """The scripts of its letters, by the first words of their names: LATIN, CYRILLIC ..."""
    return {unicodedata.name(character, "?").split()[0] for character in line if character.isalpha()}


def _text(file: Path) -> tuple[str, str | None]:
    """What a file holds, and the encoding that was assumed where it could not be told."""
    try:
        if file.stat().st_size > LARGEST:
            raise UserError(f"{shown(file)}: is larger than {LARGEST // 10**6} MB, too large for a list of lines")
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{shown(file)}: cannot be read ({error.strerror})") from error
    marked = next((encoding for mark, encoding in MARKED.items() if content.startswith(mark)), None)
    if marked is None and b"\0" in content:
        raise UserError(f"{shown(file)}: is no text: it has bytes of 0, and no mark of UTF-16 at its beginning")
    try:
        return content.decode(marked or "utf-8"), None
    except UnicodeDecodeError as error:
        if marked:
            raise UserError(f"{shown(file)}: begins like {marked.upper()}, but is not ({error.reason})") from None
        return content.decode(ASSUMED, "replace"), ASSUMED
