"""Words of some forty languages, and names of territories, languages and currencies in some two hundred.

Word lists are those of wordfreq (Speer 2022), names those of Unicode's CLDR as Babel ships it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from metagan.domains import stored_example
from metagan.domains.spelling import LONGEST, encoded, spelled
from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.parameters.tasks import WORDS_SMALLEST_CLASS
from metagan.tasks import splits
from metagan.tasks.sources.base import SPLITS, ClassRecord, Images, Source, Split

KINDS = ("territories", "languages", "currencies")
FEWEST, MOST, SHORTEST = WORDS_SMALLEST_CLASS, 400, 3
"""Words of a class, and characters of a word."""
LOOKED_AT = 1500
"""Most frequent words of a language."""
TRAIN, VAL = 0.7, 0.1
"""Shares of the languages."""
ONE_LANGUAGE = {
    "bs": "sh", "hr": "sh", "sr": "sh", "cnr": "sh", "nb": "no", "nn": "no", "id": "ms", "fil": "tl", "prs": "fa",
    "tg": "fa", "gsw": "de", "nds": "de", "yue": "zh", "be_tarask": "be", "mo": "ro", "rm": "rm",
}  # fmt: skip
"""Codes that are kept together, as their words are much the same."""
Words = dict[tuple[str, str], tuple[str, ...]]
"""By locale and kind, in the order of the list."""


def words(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """A class for each language and kind with FEWEST words that no other split has; whole languages go to splits.

    Raises UserError when wordfreq, Babel or anyascii is not installed.
    """
    found = _found()
    languages = sorted({_language(code) for code, _ in found})
    train, val = (round(share * len(languages)) for share in (TRAIN, VAL))
    dealt = dict(zip(languages, splits.at_random(len(languages), train, val, seed), strict=True))
    kept, dropped = without_shared(found, {key: dealt[_language(key[0])] for key in found})
    classes, drawings = [], []
    for (code, kind), own in kept.items():
        if len(own) >= FEWEST:
            split = dealt[_language(code)]
            classes.append(ClassRecord(f"{code} {kind}", _language(code), split, min(len(own), MOST)))
            drawings.append(partial(_drawn, own[:MOST]))
    note = (
        f"wordfreq and Unicode CLDR as shipped by Babel; {dropped:,} words of classes were left out as another split "
        "has them"
    )
    return Source("words", note, stored_example("text", (LONGEST,)), tuple(classes), tuple(drawings))


def without_shared(found: Words, split_of: Mapping[tuple[str, str], Split]) -> tuple[Words, int]:
    """The classes without what a later split has too, of train, val and test; and how many words that leaves out."""
    kept, taken, dropped = dict(found), set[str](), 0
    for split in reversed(SPLITS):
        own = [key for key in found if split_of[key] == split]
        for key in own:
            kept[key] = tuple(word for word in found[key] if word not in taken)
            dropped += len(found[key]) - len(kept[key])
        taken.update(*(found[key] for key in own))
    return kept, dropped


def _language(code: str) -> str:
    return ONE_LANGUAGE.get(code, code)


def _drawn(own: tuple[str, ...]) -> Images:
    return encoded(own)


def _found() -> Words:
    """All lists with enough words that fit."""
    try:
        lists = dict([*_names(), *_frequent_words()])
    except ImportError as error:
        raise UserError(f"tasks.source: words needs {error.name}: pip install metagan[text]") from None
    return {key: own for key, own in lists.items() if len(own) >= FEWEST}


def _names() -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    from babel import Locale
    from babel.localedata import locale_identifiers

    for code in sorted(locale_identifiers()):
        if "_" in code or code in ("root", "no"):  # no is nb under another name
            continue
        locale = Locale.parse(code)
        for kind in KINDS:
            names = getattr(locale, kind)
            yield (code, kind), _fitting(_plain(name) for key, name in sorted(names.items()) if name != key)


def _plain(name: str) -> str:
    """Without what stands in brackets."""
    return re.sub(r"[(\[\uff08].*?[)\]\uff09]", " ", name)


def _frequent_words() -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    from wordfreq import available_languages, top_n_list

    for code in sorted(available_languages("small")):
        found = top_n_list(code, LOOKED_AT, "small", ascii_only=False)
        yield (code, "words"), _fitting(word for word in found if not any(map(str.isdigit, word)))


def _fitting(lines: Iterator[str]) -> tuple[str, ...]:
    """Those of a fitting length, each once, as they are spelled."""
    return tuple(dict.fromkeys(word for line in lines if SHORTEST <= len(word := spelled(line)) <= LONGEST))
