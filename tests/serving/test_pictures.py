from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from metagan.errors import UserError
from metagan.serving.pictures import from_base64, to_base64


@pytest.mark.parametrize("channels", [1, 3])
def test_images_come_back_and_are_png_files(channels: int) -> None:
    images = torch.randint(256, (2, channels, 16, 16)) / 255
    files = to_base64(images)
    torch.testing.assert_close(from_base64("pictures", files, (channels, 16, 16)), images)
    with Image.open(io.BytesIO(base64.b64decode(files[1]))) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture).reshape(16, 16, channels).transpose(2, 0, 1)
    assert np.array_equal(pixels, images[1].mul(255).round().numpy())


def encoded(picture: Image.Image, file_format: str) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, file_format)
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_photo_of_another_size_is_read_as_the_model_needs_it() -> None:
    photo = Image.new("RGB", (40, 30), "white")
    photo.paste("black", (0, 16, 40, 30))
    image = from_base64("pictures", [encoded(photo, "JPEG")], (1, 16, 16))
    assert image.shape == (1, 1, 16, 16)
    torch.testing.assert_close(image[0, 0, 0], torch.ones(16))
    torch.testing.assert_close(image[0, 0, -1], torch.zeros(16))


def drawn_on(mode: str) -> Image.Image:
    """A square in white ink on nothing, or in 12 of 16 bits."""
    ink = Image.new("L", (64, 64))
    ink.paste(255, (16, 16, 48, 48))
    if mode == "I;16":
        return Image.fromarray((np.asarray(ink, np.uint32) * 4095 // 255).astype(np.uint16))
    picture = Image.new(mode, ink.size, "white")
    picture.putalpha(ink)
    return picture


@pytest.mark.parametrize("mode", ["LA", "RGBA", "I;16"])
def test_what_a_picture_shows_is_not_lost_on_the_way_in(mode: str) -> None:
    (image,) = from_base64("pictures", [encoded(drawn_on(mode), "PNG")], (1, 16, 16))
    assert image[0, 0, 0] == 0 and image[0, 8, 8] == 1


BLANK = encoded(Image.new("L", (40, 30), 128), "PNG")
BOMB = encoded(Image.new("1", (20_000, 20_000)), "PNG")
LINE = encoded(Image.effect_noise((2000, 1), 100), "PNG")


@pytest.mark.parametrize("bad", ["no base64!", base64.b64encode(b"no picture").decode(), BOMB, BLANK, LINE])
def test_what_is_no_picture_is_named(bad: str) -> None:
    good = to_base64(torch.eye(16)[None, None])
    with pytest.raises(ValueError, match=r"^query: number 1 cannot be read as a picture \("):
        from_base64("query", [*good, bad], (1, 16, 16))
    with pytest.raises(ValueError, match=r"^query: holds no picture"):
        from_base64("query", [], (1, 16, 16))


def test_a_sample_of_one_colour_is_an_answer_but_no_question() -> None:
    """A weak generator may draw one: that breaks no answer and no run, and whoever sends it back is told why."""
    files = to_base64(torch.full((1, 1, 16, 16), 0.5))
    with Image.open(io.BytesIO(base64.b64decode(files[0]))) as picture:
        assert np.asarray(picture).tolist() == [[128] * 16] * 16
    with pytest.raises(UserError, match=r"^pictures: number 0 cannot be read as a picture \(it shows nothing: "):
        from_base64("pictures", files, (1, 16, 16))
