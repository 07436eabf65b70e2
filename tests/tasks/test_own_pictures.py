from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.parameters import Adapt, Augment
from metagan.tasks.bank import TaskBank
from metagan.tasks.own_pictures import read_own_classes, read_own_pictures
from metagan.tasks.sources.base import ClassRecord

MakeBank = Callable[..., TaskBank]


@pytest.fixture
def make_bank() -> MakeBank:
    """Ten train classes with a bright square on a background of level `background`, or each on a level of its own."""

    def make(background: int | None = 0, channels: int = 1) -> TaskBank:
        levels = np.linspace(0, 255, 10) if background is None else np.full(10, background)
        images = np.tile(levels[:, None, None, None, None], (2, channels, 16, 16)).astype(np.uint8)
        images[..., 5:11, 5:11] = 255 - background if background is not None else 255
        classes = tuple(ClassRecord(str(i), "", "train", 2) for i in range(10))
        flat = images.reshape(-1, channels, 16, 16)
        example = stored_example("image", (channels, 16, 16))
        return TaskBank(flat, np.arange(11) * 2, classes, "squares", example, content_hash="")

    return make


def ink(size: tuple[int, int] = (40, 40), dark_on_light: bool = True) -> Image.Image:
    """A square in the middle of a grey picture."""
    picture = Image.new("L", size, 255 if dark_on_light else 0)
    side = min(size) // 3
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    picture.paste(0 if dark_on_light else 255, (left, top, left + side, top + side))
    return picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Dark ink on white in every mode and format, and one picture the other way round."""
    path = tmp_path / "my pictures"
    path.mkdir()
    ink().save(path / "1 grey.png")
    ink((90, 50)).convert("RGB").save(path / "2 colour.jpg", quality=95)
    ink((33, 47)).convert("P").save(path / "3 palette.png")
    ink((200, 200)).convert("RGB").save(path / "4 colour.webp", lossless=True)
    ink().convert("1").save(path / "5 bits.PNG")
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    clear.putalpha(ink((64, 64), dark_on_light=False))
    clear.save(path / "6 alpha.png")
    Image.fromarray(np.asarray(ink()).astype(np.uint16) * 257).save(path / "7 deep.png")
    ink(dark_on_light=False).save(path / "8 bright ink.png")
    (path / "notes.txt").write_text("not a picture")
    (path / ".hidden.png").write_bytes(b"not a picture")
    return path


def test_every_mode_and_size_becomes_an_image_of_the_bank(folder: Path, make_bank: MakeBank) -> None:
    images, inverted, files = read_own_pictures(Adapt(images=folder), make_bank(background=0))
    assert [file.name[0] for file in files] == list("12345678")
    assert images.shape == (8, 1, 16, 16) and images.dtype == np.uint8
    assert inverted.tolist() == [True] * 7 + [False]
    for image in images[:, 0]:
        assert image[0].max() < 8 and image[8, 8] > 247


@pytest.mark.parametrize(
    ("invert", "background", "channels", "expected"),
    [
        ("auto", 255, 1, [False] * 7 + [True]),  # dark ink was trained on
        ("auto", None, 1, [False] * 8),  # no one background
        ("auto", 0, 3, [False] * 8),  # colours mean something
        ("always", 255, 1, [True] * 8),
        ("always", None, 3, [True] * 8),
        ("never", 0, 1, [False] * 8),
    ],
)
def test_what_is_inverted(
    folder: Path, make_bank: MakeBank, invert: str, background: int | None, channels: int, expected: list[bool]
) -> None:
    bank = make_bank(background, channels)
    images, inverted, _ = read_own_pictures(Adapt(images=folder, invert=invert), bank)
    assert inverted.tolist() == expected
    as_they_are, *_ = read_own_pictures(Adapt(images=folder, invert="never"), bank)
    for image, plain, turned in zip(images, as_they_are, expected, strict=True):
        assert np.array_equal(image, 255 - plain if turned else plain)


def test_what_is_left_out_is_said(folder: Path, make_bank: MakeBank, caplog: pytest.LogCaptureFixture) -> None:
    read_own_pictures(Adapt(images=folder), make_bank())
    assert f"adapt.images: left out in {folder}: " in caplog.text
    assert "1 hidden" in caplog.text and "1 .txt" in caplog.text


def test_blank_pictures_are_refused(tmp_path: Path, make_bank: MakeBank) -> None:
    for number in range(4):
        Image.new("L", (40, 40), 255).save(tmp_path / f"{number}.png")
    with pytest.raises(UserError, match=r"0\.png cannot be read as a picture: it shows nothing"):
        read_own_pictures(Adapt(images=tmp_path), make_bank())


def test_a_bank_of_another_domain_is_told(folder: Path, make_bank: MakeBank) -> None:
    bank = make_bank()
    signals = replace(bank, example=bank.example.model_copy(update={"domain": "signal"}))
    with pytest.raises(UserError, match=r"^adapt: reads pictures, but the task bank of squares has signal"):
        read_own_pictures(Adapt(images=folder), signals)
    with pytest.raises(UserError, match=r"^augment: reads pictures, but the task bank of squares has signal"):
        read_own_classes(Augment(images=folder.parent), signals, 1)


def test_no_folder_is_told(tmp_path: Path, make_bank: MakeBank) -> None:
    with pytest.raises(UserError, match=r"adapt\.images: must name a folder of pictures, as in kedro run .*=DIR"):
        read_own_pictures(Adapt(), make_bank())
    with pytest.raises(UserError, match=r"adapt\.images: .*nowhere is not a folder"):
        read_own_pictures(Adapt(images=tmp_path / "nowhere"), make_bank())


@pytest.mark.parametrize(("fewest", "count"), [(1, 0), (1, 51), (3, 2)])
def test_too_few_and_too_many_are_counted(fewest: int, count: int, tmp_path: Path, make_bank: MakeBank) -> None:
    for number in range(count):
        ink().save(tmp_path / f"{number}.png")
    with pytest.raises(UserError, match=rf"adapt\.images: .* holds {count} PNG, .* files; {fewest} to 50 of one"):
        read_own_pictures(Adapt(images=tmp_path), make_bank(), fewest)


@pytest.mark.parametrize("count", [1, 50])
def test_the_fewest_and_the_most_are_taken(count: int, tmp_path: Path, make_bank: MakeBank) -> None:
    for number in range(count):
        ink().save(tmp_path / f"{number}.png")
    assert len(read_own_pictures(Adapt(images=tmp_path), make_bank())[0]) == count


def bomb() -> bytes:
    """A PNG of 300 bytes that says it has 12,000 x 10,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 10_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("content", [b"", b"not a picture at all", bomb()], ids=["empty", "corrupt", "bomb"])
def test_a_bad_picture_is_named(content: bytes, folder: Path, make_bank: MakeBank) -> None:
    (folder / "9.png").write_bytes(content)
    with pytest.raises(UserError, match=r"my pictures/9\.png cannot be read as a picture: "):
        read_own_pictures(Adapt(images=folder), make_bank())


def test_a_bank_of_another_domain_takes_no_pictures(make_bank: MakeBank, folder: Path) -> None:
    bank = make_bank()
    other = replace(bank, example=bank.example.model_copy(update={"domain": "signal"}))
    with pytest.raises(UserError, match=r"^adapt: reads pictures, but the task bank of squares has signal$"):
        read_own_pictures(Adapt(images=folder), other)
