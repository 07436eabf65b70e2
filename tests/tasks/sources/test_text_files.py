"""Text files as people have them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metagan.domains.spelling import decoded
from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.text_files import fitting, read_lines


@given(st.text())
def test_every_line_is_kept_or_counted(text: str) -> None:
    lines = fitting(text)
    assert len(lines.texts) + lines.left_out.total() == len(text.splitlines())
    assert all(0 < len(own) <= 16 for own in lines.texts)


def test_lines_are_left_out_by_what_is_unfit_in_them() -> None:
    lines = fitting("alpha\n\n   \n12345\nthis line is far too long\nAlpha\nbe\x07ta\ngamma\n")
    assert lines.texts == ("alpha", "gamma")
    assert lines.left_out == {
        "empty": 2,
        "without letters": 1,
        "longer than 16 characters": 1,
        "there before": 1,
        "with control characters": 1,
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "windows-1252"])
def test_any_encoding_is_read_and_an_assumed_one_told(
    encoding: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes("Málaga\r\nCórdoba\rŒuvre\n".encode(encoding))
    with caplog.at_level(logging.WARNING):
        assert read_lines(file) == tuple(fitting("málaga\ncórdoba\nœuvre").texts)
    assert ("windows-1252 was assumed" in caplog.text) == (encoding == "windows-1252")


def test_mixed_scripts_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "names.txt"
    file.write_text("M\u043e\u0441\u043a\u0432\u0430\n\u041c\u043e\u0441\u043a\u0432\u0430\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert read_lines(file) == ("moskva",)
    assert "1 lines mix scripts" in caplog.text and "1 there before" in caplog.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\x00\x01", "is no text"),
        (b"\xff\xfea", "begins like UTF-16, but is not"),
        (b"", "has 0 lines that can be read, but at least 2 are needed"),
        (b"\n\n\n", "has 0 lines"),
        (b"one\n", "has 1 lines"),
    ],
)
def test_what_cannot_be_read_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UserError, match=rf"names\.txt: {says}"):
        read_lines(tmp_path / "names.txt", 2)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt: cannot be read"):
        read_lines(tmp_path / "none.txt")


def folder_of(tmp_path: Path, classes: int, lines: int = 3) -> Tasks:
    for number in range(classes):
        text = "\n".join(f"{'abcdefgh'[number]}{'xyz'[line]}" for line in range(lines))
        (tmp_path / f"class {number}.txt").write_text(text, encoding="utf-8")
    return Tasks.model_validate({"source": "text_folder", "text_folder": {"path": str(tmp_path)}})


def test_each_file_is_a_class(tmp_path: Path) -> None:
    source = SOURCES["text_folder"](folder_of(tmp_path, 6), 0, tmp_path)
    assert [record.name for record in source.classes] == [f"class {number}" for number in range(6)]
    assert sorted(record.split for record in source.classes) == ["test", "train", "train", "train", "train", "val"]
    assert decoded(source.render(2)) == ["cx", "cy", "cz"]


def test_folders_that_are_unfit_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.text_folder\.path: .* holds no TXT files"):
        SOURCES["text_folder"](folder_of(tmp_path, 0), 0, tmp_path)
    with pytest.raises(UserError, match="the val split needs at least 1 class"):
        SOURCES["text_folder"](folder_of(tmp_path, 2), 0, tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        SOURCES["text_folder"](
            Tasks.model_validate({"source": "text_folder", "text_folder": {"path": str(tmp_path / "no")}}), 0, tmp_path
        )
