"""Lines as codes and back."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.domains.spelling import CHARACTERS, LONGEST, SIZE, decoded, encoded, romanised, spelled
from metagan.errors import UserError


@given(st.text())
def test_any_line_is_spelled_in_the_characters_and_stays_so(line: str) -> None:
    text = spelled(line)
    assert set(text) <= set(CHARACTERS)
    assert text == " ".join(text.split())
    assert spelled(text) == text


@given(st.lists(st.text(alphabet=CHARACTERS, max_size=LONGEST)))
def test_codes_are_read_as_they_were_written(lines: list[str]) -> None:
    codes = encoded(lines)
    assert codes.shape == (len(lines), LONGEST) and codes.dtype == np.uint8 and codes.max(initial=0) < SIZE
    assert decoded(codes) == [unicodedata.normalize("NFC", line) for line in lines]


@given(st.text())
def test_a_line_that_is_read_is_spelled_as_before(line: str) -> None:
    text = spelled(line)[:LONGEST].strip()
    assert spelled(decoded(encoded([text]))[0]) == spelled(text)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("Élan vital", "élan vital"),
        ("Việt Nam", "việt nam"),
        ("ŁÓDŹ", "łódź"),
        ("  a\t b ", "a b"),
        ("O\u2019Brien", "o'brien"),
        ("Россия", "rossiya"),
        ("日本", "riben"),
        ("route 66!", "route"),
        ("\x00\x07", ""),
    ],
)
def test_lines_are_in_lower_case_and_latin(line: str, read: str) -> None:
    assert decoded(encoded([spelled(line)])) == [read]


def test_other_scripts_want_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyascii", None)
    with pytest.raises(UserError, match=r"pip install metagan\[text\]"):
        romanised("щ")
