from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metagan.errors import UserError
from metagan.parameters import Tasks
from metagan.tasks.bank import plan_bank
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import Source

SUFFIXES = ("png", "jpg", "webp", "PNG", "jpeg")


def picture(
    folder: Path, name: str, colour: tuple[int, int, int] = (250, 120, 10), size: tuple[int, int] = (40, 30)
) -> Path:
    """A plain picture with a dark spot in the middle."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = Image.new("RGB", size, colour)
    drawn.paste((0, 0, 0), (size[0] // 2 - 2, size[1] // 2 - 2, size[0] // 2 + 2, size[1] // 2 + 2))
    drawn.save(folder / name)
    return folder / name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(10):
        for number, suffix in enumerate(SUFFIXES):
            picture(tmp_path / "flowers" / f"flower {index}", f"{number}.{suffix}")
    (tmp_path / "flowers" / "flower 0" / "notes.txt").write_text("not a picture")
    (tmp_path / "flowers" / ".cache").mkdir()
    return tmp_path / "flowers"


def open_source(
    folder: Path | None, channels: int = 3, seed: int = 0, image_size: int = 16, **settings: float
) -> Source:
    tasks = Tasks(
        source="image_folder", channels=channels, image_size=image_size, image_folder={"path": folder, **settings}
    )
    return SOURCES["image_folder"](tasks, seed, Path("unused"))


def test_classes_are_the_folders_and_splits_follow_the_fractions(folder: Path) -> None:
    source = open_source(folder, train_fraction=0.6, val_fraction=0.2)
    assert [record.name for record in source.classes] == [f"flower {index}" for index in range(10)]
    assert Counter(record.split for record in source.classes) == {"train": 6, "val": 2, "test": 2}
    assert {record.n_images for record in source.classes} == {5}
    assert source.classes == open_source(folder, train_fraction=0.6, val_fraction=0.2).classes
    assert source.classes != open_source(folder, seed=1, train_fraction=0.6, val_fraction=0.2).classes


def test_what_is_left_out_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture(folder, "loose.png")
    for index in range(3):
        picture(folder / f"flower {index}", "0.png").rename(folder / f"flower {index}" / "0.heic")
    open_source(folder)
    assert f"tasks.image_folder.path: left out in {folder}: 3 .heic, 1 .txt, 1 beside the class folders" in caplog.text


def test_a_class_of_blank_pictures_is_refused(folder: Path) -> None:
    for suffix in SUFFIXES:
        for file in (folder / "flower 3").glob(f"*.{suffix}"):
            Image.new("RGB", (40, 30), "white").save(file)
    with pytest.raises(UserError, match=r"flower 3/0\.png cannot be read as a picture: it shows nothing"):
        open_source(folder).render(3)


@pytest.mark.parametrize("image_size", [16, 64])
@pytest.mark.parametrize(("channels", "expected"), [(3, (250, 120, 10)), (1, (146,))])
def test_png_jpeg_and_webp_keep_their_colours(
    folder: Path, channels: int, expected: tuple[int, ...], image_size: int
) -> None:
    images = open_source(folder, channels, image_size=image_size).render(4)
    assert images.shape == (5, channels, image_size, image_size) and images.dtype == np.uint8
    assert np.abs(images[..., 0].astype(int) - np.array(expected)[:, None]).max() <= 6


def test_the_middle_square_is_kept_upright_and_transparency_is_white(folder: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8), (30, 1))
    Image.fromarray(ramp).save(folder / "flower 1" / "0.png")
    turned = Image.fromarray(ramp).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned a quarter clockwise when shown
    turned.save(folder / "flower 1" / "1.jpg", exif=exif, quality=95)
    spot = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    spot.paste((0, 0, 0, 255), (8, 8, 12, 12))
    spot.save(folder / "flower 1" / "2.webp", lossless=True)
    Image.fromarray(ramp.astype(np.uint16) * 257).save(folder / "flower 1" / "3.PNG")
    plain, upright, clear, deep, _ = open_source(folder, channels=1).render(1)[:, 0].astype(int)
    assert abs(plain[8, 0] - 87) < 8 and abs(plain[8, -1] - 168) < 8
    assert np.abs(plain - upright).max() < 12
    assert (clear[:4] == 255).all() and clear[8, 8] == 0
    assert np.abs(plain - deep).max() <= 1


def damaged(file: Path, how: str) -> None:
    whole = file.read_bytes()
    if how == "truncated":
        file.write_bytes(whole[: len(whole) * 2 // 3])
    elif how == "garbage":
        file.write_bytes(b"not a picture at all")
    else:
        file.write_bytes(b"")


@pytest.mark.parametrize("how", ["truncated", "garbage", "empty"])
@pytest.mark.parametrize("name", ["0.png", "1.jpg", "2.webp"])
@pytest.mark.filterwarnings("error")
def test_a_bad_picture_is_named(folder: Path, name: str, how: str) -> None:
    file = folder / "flower 2" / name
    if how == "truncated":
        noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
        Image.fromarray(noise).save(file)
    damaged(file, how)
    with pytest.raises(UserError, match=f"{file} cannot be read as a picture: ") as caught:
        open_source(folder).render(2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(12_000, 10_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_by_its_header(folder: Path, size: tuple[int, int]) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (folder / "flower 2" / "0.png").write_bytes(bomb)
    with pytest.raises(UserError, match=r"0\.png cannot be read as a picture: .* pixels"):
        open_source(folder).render(2)


def test_a_bad_picture_stops_the_bank_with_its_name(folder: Path, tmp_path: Path) -> None:
    damaged(folder / "flower 7" / "1.jpg", "truncated")
    tasks = Tasks(source="image_folder", channels=3, workers=2, image_folder={"path": folder})
    with pytest.raises(UserError, match=r"flower 7/1\.jpg cannot be read as a picture"):
        plan_bank(tasks, 0, tmp_path).write(tmp_path / "bank", progress=False)
    assert not (tmp_path / "bank").exists()


def test_folders_without_enough_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks\.image_folder\.path: .*nowhere is not a folder"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"tasks\.image_folder\.path: .*empty holds no class folders"):
        open_source(tmp_path / "empty")
    with pytest.raises(UserError, match="val_fraction or path: the val split needs at least 1 class"):
        open_source(folder, val_fraction=0.0)
    picture(folder / "lonely", "0.png")
    with pytest.raises(UserError, match=r"class folder .*lonely holds 1 .* at least 2"):
        open_source(folder)
