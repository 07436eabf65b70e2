"""Pictures keep what they show on the way in, or are refused by name."""

from __future__ import annotations

import io
import logging
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from metagan.errors import UserError
from metagan.tasks.sources.picture_files import LARGEST_SIDE, PICTURES, read_picture, read_pictures, typical_side

SIZE = 16


def spot(ground: int, ink: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A square of ink in the middle of a grey picture."""
    picture = Image.new("L", size, ground)
    side = min(size) // 2
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    picture.paste(ink, (left, top, left + side, top + side))
    return picture


def read(picture: Image.Image, path: Path, channels: int = 1, **options: object) -> np.ndarray:
    picture.save(path, **options)
    (image,) = read_pictures([path], SIZE, channels)
    return image


def shows_the_spot(image: np.ndarray, levels: int = 200) -> bool:
    """Whether the middle differs from the corner, in some channel, by so many levels."""
    return bool(np.abs(image[:, 8, 8].astype(int) - image[:, 0, 0]).max() >= levels)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
@pytest.mark.parametrize("ink", ["white", "black", (255, 250, 200), (200, 200, 200), (20, 20, 60)])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_pictures_get_a_ground_on_which_the_ink_shows(
    mode: str, ink: object, channels: int, tmp_path: Path
) -> None:
    picture = Image.new("RGBA", (64, 64), ink)
    picture.putalpha(spot(0, 255))
    if mode == "PA":
        picture = picture.quantize(4)
    image = read(picture.convert("LA") if mode == "LA" else picture, tmp_path / "1.png", channels)
    assert shows_the_spot(image, 50)
    if ink in ("black", (200, 200, 200)):
        assert (image[:, 0, 0] == 255).all()  # white, as it was, wherever it does


def test_an_opaque_page_with_clear_corners_stays_on_white(tmp_path: Path) -> None:
    page = spot(255, 0).convert("RGBA")
    page.putalpha(spot(255, 255))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 7, 7), fill=(255, 255, 255, 0))
    assert read(page, tmp_path / "1.png")[0, 0, 0] == 255


@pytest.mark.parametrize(("bits", "said"), [(12, "4095 is white"), (10, "1023 is white"), (8, "255 is white")])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_grey_pictures_are_scaled_by_the_bits_that_they_hold(
    bits: int, said: str, suffix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.asarray(spot(0, 255), np.uint32) * (2**bits - 1) // 255
    image = read(Image.fromarray(values.astype(np.uint16)), tmp_path / f"deep.{suffix}")
    assert (image[0, 0, 0], image[0, 8, 8]) == (0, 255)
    assert f"deep.{suffix}: its values were scaled so that 0 is black and {said}" in caplog.text


def test_all_16_bits_are_read_as_they_were_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    values = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    image = read(Image.fromarray(values), tmp_path / "deep.png")
    expected = read(Image.fromarray((values // 256).astype(np.uint8)), tmp_path / "plain.png")
    assert np.abs(image.astype(int) - expected).max() <= 1
    assert not caplog.records


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-1000.0, 3000.0)])
def test_pictures_of_numbers_are_scaled_and_it_is_said(
    low: float, high: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.asarray(spot(0, 1), np.float32) * (high - low) + low
    assert shows_the_spot(read(Image.fromarray(values), tmp_path / "numbers.tif"), 240)
    assert "numbers.tif: its values were scaled so that" in caplog.text
    values[0, 0] = np.nan
    with pytest.raises(UserError, match=r"numbers\.tif cannot be read as a picture: .* not finite"):
        read(Image.fromarray(values), tmp_path / "numbers.tif")


def deep_png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write: uint16 (H, W, 2, 3 or 4)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


def deep_colours(path: Path, values: np.ndarray) -> Path:
    path.write_bytes(deep_png(values))
    return path


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("alpha", [65535, 4095])
def test_deep_colours_are_scaled_too(
    channels: int, alpha: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.repeat(np.asarray(spot(0, 1), np.uint16)[:, :, None] * 4095, channels, axis=2)
    if channels != 3:
        values[..., -1] = alpha
    (image,) = read_pictures([deep_colours(tmp_path / "deep.png", values)], SIZE, 3)
    assert shows_the_spot(image)
    assert "deep.png: it fills 12 of its 16 bits a channel, and was scaled by those" in caplog.text
    caplog.clear()
    values[:, :, : max(1, channels - 1) if channels != 3 else 3] *= 16
    if channels != 3:
        values[..., -1] = 65535
    (image,) = read_pictures([deep_colours(tmp_path / "whole.png", values)], SIZE, 3)
    assert shows_the_spot(image) and not caplog.records
    values[:, :, :3] = np.asarray(spot(0, 255), np.uint16)[:, :, None]
    if channels != 3:
        values[..., -1] = 65535
    with pytest.raises(UserError, match=r"low\.png cannot be read as a picture: .*save it with 8 bits a channel"):
        read_pictures([deep_colours(tmp_path / "low.png", values)], SIZE, 3)


@pytest.mark.parametrize("blank", [0, 128, 255])
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1", "RGBA", "I;16", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_one_colour_is_refused_by_name(blank: int, mode: str, channels: int, tmp_path: Path) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    deep = Image.fromarray(np.full((30, 40), blank * 257, np.uint16))
    picture = deep if mode == "I;16" else Image.new("L", (40, 30), blank).convert("RGB" if mode == "P" else "L")
    with pytest.raises(UserError, match=rf"blank\.{suffix} cannot be read as a picture: it shows nothing"):
        read(picture if mode == "I;16" else picture.convert(mode, dither=0), tmp_path / f"blank.{suffix}", channels)


def test_a_picture_that_is_wholly_transparent_is_refused_by_name(tmp_path: Path) -> None:
    picture = spot(0, 255).convert("RGBA")
    picture.putalpha(0)
    with pytest.raises(UserError, match=r"clear\.png cannot be read as a picture: it shows nothing"):
        read(picture, tmp_path / "clear.png")


@pytest.mark.parametrize("size", [(600, 100), (100, 600), (320, 20)])
def test_long_pictures_are_padded_with_the_colour_of_their_border(size: tuple[int, int], tmp_path: Path) -> None:
    picture = Image.new("RGB", size, (250, 240, 200))
    ends = ((4, 4, size[0] // 8, size[1] // 8), (size[0] * 7 // 8, size[1] * 7 // 8, size[0] - 4, size[1] - 4))
    for end in ends:  # which the middle square lacks
        picture.paste((0, 0, 200), tuple(int(place) for place in (end[0], min(end[1], end[3] - 12), end[2], end[3])))
    image = read(picture, tmp_path / "long.png", channels=3)
    assert (image[:, 0, 0] == (250, 240, 200)).all()
    assert (image[0] < 200).sum() >= 2


@pytest.mark.parametrize("size", [(2000, 1), (1, 2000), (400, 10)])
def test_lines_are_refused_by_name(size: tuple[int, int], tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8))
    with pytest.raises(UserError, match=rf"line\.png cannot be read as a picture: it is {size[0]} x {size[1]} pixels"):
        read(picture, tmp_path / "line.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_pictures_are_turned_as_they_say(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = Image.new("L", (64, 64), 255)
    upright.paste(0, (0, 0, 32, 16))
    transpose = Image.Transpose
    stored = {  # how a camera held that way stores it
        2: transpose.FLIP_LEFT_RIGHT,
        3: transpose.ROTATE_180,
        4: transpose.FLIP_TOP_BOTTOM,
        5: transpose.TRANSPOSE,
        6: transpose.ROTATE_90,
        7: transpose.TRANSVERSE,
        8: transpose.ROTATE_270,
    }
    turned = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read(turned.convert("RGB"), tmp_path / f"turned.{suffix}", exif=exif)
    assert np.abs(image.astype(int) - read(upright, tmp_path / "upright.png")).max() <= 24


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *(("L", suffix) for suffix in ("png", "jpg", "jfif", "jpe", "webp", "bmp", "gif", "tif", "tiff", "avif")),
        *((mode, "png") for mode in ("1", "P", "LA", "RGB", "RGBA")),
        *((mode, "tif") for mode in ("1", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr")),
        ("CMYK", "jpg"),
        ("P", "gif"),
        ("P", "bmp"),
        ("RGB", "avif"),
    ],
)
def test_every_mode_and_format_shows_the_same(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"1.{suffix}"
    image = read(spot(255, 0).convert(mode), path, format="JPEG" if suffix in ("jfif", "jpe") else None)
    assert PICTURES.files(tmp_path).files == (path,)
    assert np.abs(image.astype(int) - read(spot(255, 0), tmp_path / "plain.png")).max() <= 8


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_animated_pictures_show_their_first_frame(suffix: str, tmp_path: Path) -> None:
    frames = [spot(255, ink).convert("RGB") for ink in (0, 128, 192)]
    image = read(frames[0], tmp_path / f"1.{suffix}", save_all=True, append_images=frames[1:])
    assert image[0, 8, 8] <= 8 and image[0, 0, 0] >= 247


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    for name in ("1.png", "2.JPE", "3.jfif", "4.heic", "5.HEIC", "notes", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "more.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "6.png").symlink_to(tmp_path / "nowhere")
    files, left_out = PICTURES.files(tmp_path)
    assert [file.name for file in files] == ["1.png", "2.JPE", "3.jfif", "6.png"]
    assert left_out == Counter({".heic": 2, "without a suffix": 1, "hidden": 1, "folders": 1, "no files": 1})
    with pytest.raises(UserError, match=r"6\.png cannot be read as a picture: .*No such file"):
        read_pictures(files[-1:], SIZE, 1)


FORMATS = {
    "PNG": ("1", "L", "P", "LA", "RGB", "RGBA", "I;16", "deep"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("P", "L"),
    "TIFF": ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "I;16", "F"),
    "AVIF": ("RGB", "RGBA"),
}


SIZES = st.tuples(*[st.integers(1, 70) | st.integers(1, 3)] * 2) | st.sampled_from([(2000, 1), (1, 2000), (600, 100)])


@st.composite
def drawn_files(draw: st.DrawFn) -> tuple[bytes, np.ndarray, bool]:
    """A picture file as many programs write them, its upright values before that, and whether it is whole."""
    name, mode = draw(st.sampled_from([(name, mode) for name, modes in FORMATS.items() for mode in modes]))
    values = draw(clear_values() | odd_values())
    if mode == "deep":
        content = deep_png(draw(deep_values(values)))
    else:
        buffer = io.BytesIO()
        draw(pictures(mode, values)).save(buffer, name, **draw(options_of(name)))
        content = buffer.getvalue()
    damage = draw(st.sampled_from(["none", "none", "cut", "flipped", "appended"]))
    if damage == "cut":
        content = content[: draw(st.integers(0, len(content) - 1))]
    elif damage == "flipped":
        place = draw(st.integers(0, len(content) - 1))
        content = content[:place] + bytes([content[place] ^ draw(st.integers(1, 255))]) + content[place + 1 :]
    elif damage == "appended":
        content += draw(st.binary(max_size=20))
    return content, values, damage in ("none", "appended")


@st.composite
def clear_values(draw: st.DrawFn) -> np.ndarray:
    """A square of ink in the middle of a ground, as anybody would see it, uint8 (H, W)."""
    side = draw(st.integers(16, 70))
    ground, ink = draw(st.sampled_from([(0, 255), (255, 0), (230, 20), (40, 200), (128, 0), (127, 255)]))
    size = draw(st.sampled_from([(side, side), (side, side * 2), (side * 3, side)]))
    return np.asarray(spot(ground, ink, size)).copy()


@st.composite
def odd_values(draw: st.DrawFn) -> np.ndarray:
    """A rectangle of any ink on any ground, uint8 (H, W)."""
    width, height = draw(SIZES)
    ground, ink = draw(st.tuples(*[st.integers(0, 255)] * 2))
    values = np.full((height, width), ground, np.uint8)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    values[top : top + draw(st.integers(1, height)), left : left + draw(st.integers(1, width))] = ink
    return values


def with_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """The same from 0 to the largest number of so many bits, uint16."""
    return (values.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)


@st.composite
def deep_values(draw: st.DrawFn, values: np.ndarray) -> np.ndarray:
    """Two to four channels, the last of two or four being the transparency, uint16 (H, W, channels)."""
    channels, bits = draw(st.integers(2, 4)), draw(st.integers(12, 16))
    deep = np.repeat(with_bits(values, bits)[:, :, None], channels, axis=2)
    if channels != 3 and draw(st.booleans()):
        deep[..., -1] = 2**bits - 1
    return deep


@st.composite
def pictures(draw: st.DrawFn, mode: str, values: np.ndarray) -> Image.Image:
    """The values in a mode, of any depth and transparency that it has."""
    if mode == "I;16":
        return Image.fromarray(with_bits(values, draw(st.integers(8, 16))))
    if mode in ("I", "F"):
        scale, offset = draw(st.sampled_from([(1, 0), (16, 0), (100, -3000), (1000, 50)]))
        return Image.fromarray(values.astype(np.int32 if mode == "I" else np.float32) * scale + offset)
    if mode == "LAB":
        return Image.merge("LAB", [Image.fromarray(values)] * 3)
    picture = Image.fromarray(values).convert(mode)
    if mode in ("LA", "RGBA"):
        if draw(st.booleans()):  # all that is drawn is in the transparency
            picture = Image.new(mode, picture.size, draw(st.sampled_from(["white", "black"])))
            picture.putalpha(Image.fromarray(values))
        else:
            opaque = np.full_like(values, 255)
            picture.putalpha(Image.fromarray(draw(st.sampled_from([values, 255 - values, opaque]))))
    return picture


@st.composite
def options_of(draw: st.DrawFn, name: str) -> dict[str, object]:
    """EXIF data, right or wrong, and a compression, for a format that has them."""
    options: dict[str, object] = {}
    if name not in ("GIF", "BMP") and draw(st.booleans()):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(1, 8) if name == "TIFF" else st.integers(0, 9))
        odd = name not in ("TIFF", "AVIF") and draw(st.booleans())
        options["exif"] = draw(st.sampled_from([b"Exif\0\0garbage", b"garbage"])) if odd else exif
    if name == "TIFF":
        options["compression"] = draw(st.sampled_from([None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]))
    return options


LEAST_SHOWN = 24
"""Levels by which ink of half the range stands out in what is read, whatever the mode."""


def is_visible(values: np.ndarray) -> bool:
    """Whether ink of half the range fills an eighth or more of the middle square of usual proportions."""
    side = min(values.shape)
    top, left = ((length - side) // 2 for length in values.shape)
    levels, counts = np.unique(values[top : top + side, left : left + side], return_counts=True)
    if len(levels) < 2 or max(values.shape) > 3 * side or side <= 3:
        return False
    return np.ptp(levels.astype(int)) >= 128 and counts.min() >= side * side / 8


def check_that_nothing_is_lost(drawn: tuple[bytes, np.ndarray, bool], channels: int) -> None:
    """The file is refused in one line, or read as a picture that shows something; what is visible must show."""
    content, values, whole = drawn
    must_show = whole and is_visible(values)
    try:
        image = read_picture(io.BytesIO(content), SIZE, channels)
    except UserError as error:
        assert "\n" not in str(error)
        assert not must_show, error
    else:
        assert image.shape == (channels, SIZE, SIZE) and image.dtype == np.uint8
        assert np.ptp(image, axis=(1, 2)).max() >= (LEAST_SHOWN if must_show else 3)


@given(drawn_files(), st.sampled_from([1, 3]))
@settings(max_examples=200, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_picture_file_is_lost_in_silence(drawn: tuple[bytes, np.ndarray, bool], channels: int) -> None:
    check_that_nothing_is_lost(drawn, channels)


def test_a_grey_picture_of_colours_by_lightness_has_the_lightness() -> None:
    """Orange and a grey of the same luminance."""
    lightness = np.full((SIZE, SIZE), 127, np.uint8)
    lightness[4:8, 4:12] = 255
    content = io.BytesIO()
    Image.merge("LAB", [Image.fromarray(lightness)] * 3).save(content, "TIFF")
    np.testing.assert_array_equal(read_picture(content, SIZE, 1)[0], lightness)
    colours = read_picture(content, SIZE, 3)
    assert tuple(colours[:, 0, 0]) != tuple(colours[:, 5, 6])


@pytest.mark.fault_injection
@given(drawn_files(), st.sampled_from([1, 3]))
@settings(max_examples=2000, suppress_health_check=list(HealthCheck))
def test_no_picture_file_is_lost_in_silence_in_2000_tries(drawn: tuple[bytes, np.ndarray, bool], channels: int) -> None:
    check_that_nothing_is_lost(drawn, channels)


def test_files_of_one_kind_are_told_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file in files:
        Image.fromarray(np.asarray(spot(0, 10), np.uint16) * 400).save(file)
    read_pictures(files, SIZE, 1)
    (record,) = caplog.records
    assert record.message.startswith(f"{files[0]} and 2 more in its folder: its values were scaled")


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(40, 30)], 30),
        ([(40, 30), (30, 50), (90, 100)], 30),  # the median of 30, 30 and 90
        ([(400, 100)], 400),  # padded, so that all of it shows
        ([(300, 100)], 100),
        ([(3000, 2000)], LARGEST_SIDE),
    ],
)
def test_the_typical_side_is_that_of_the_squares_that_are_read(
    sizes: list[tuple[int, int]], side: int, tmp_path: Path
) -> None:
    files = []
    for number, size in enumerate(sizes):
        files.append(tmp_path / f"{number}.png")
        Image.new("L", size).save(files[-1])
    assert typical_side(files) == side
