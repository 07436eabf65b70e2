from __future__ import annotations

import numpy as np
import pytest

from metagan.domains import stored_example
from metagan.domains.image import resized, tile, to_floats
from metagan.reporting.figures import (
    adaptation_frames,
    adaptation_picture,
    check_pictures,
    groups_picture,
    picture_grid,
    picture_steps,
    sample_grid,
    spread_picture,
)
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord

STEPS = [0, 1, 2, 5, 10, 20]
LETTER = stored_example("image", (1, 28, 28), on_paper=True)


@pytest.mark.parametrize(
    ("steps", "shown"),
    [
        (STEPS, [0, 1, 5, 20]),
        ([0, 1, 5, 20, 50], [0, 1, 5, 20]),
        ([0, 3], [0, 3]),
        ([7], [7]),
        ([0, 2, 4, 6, 8, 10, 12], [0, 4, 8, 12]),
    ],
)
def test_picture_steps(steps, shown):
    assert picture_steps(steps) == shown


def test_tile_puts_each_image_in_its_place():
    images = np.random.default_rng(0).integers(0, 256, size=(5, 3, 6, 4), dtype=np.uint8)
    pixels = np.asarray(tile(images, columns=3))
    assert pixels.shape == (2 * 6 + 1, 3 * 4 + 2, 3)
    for index, image in enumerate(images):
        top, left = index // 3 * 7, index % 3 * 5
        assert np.array_equal(pixels[top : top + 6, left : left + 4], image.transpose(1, 2, 0))
    assert (pixels[7:, 10:] == 255).all()  # no sixth image


def test_grey_is_inverted_only_on_paper():
    images = np.random.default_rng(0).integers(0, 256, size=(1, 1, 5, 5), dtype=np.uint8)
    assert np.array_equal(np.asarray(tile(images, columns=1)), 255 - images[0, 0])
    assert np.array_equal(np.asarray(tile(images, on_paper=False, columns=1)), images[0, 0])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_resized_keeps_what_is_seen_and_the_mode(channels, mode):
    small = np.zeros((channels, 16, 16), np.uint8)
    small[0, :, 8:] = 200  # the right half grey, or red
    picture = resized(small, 100)
    assert (picture.mode, picture.size) == (mode, (100, 100))
    pixels = np.asarray(picture).reshape(100, 100, channels)
    assert (pixels[:, :40] < 10).all()
    assert (abs(pixels[:, 60:, 0].astype(int) - 200) < 10).all() and (pixels[..., 1:] == 0).all()


def test_sample_grid_magnifies_without_smoothing():
    images = np.random.default_rng(0).integers(0, 256, size=(3, 7, 1, 16, 16), dtype=np.uint8)
    example = stored_example("image", (1, 16, 16), on_paper=True)
    picture = sample_grid(example, to_floats(images), magnification=3)
    assert picture.size == (3 * (7 * 17 - 1), 3 * (3 * 17 - 1))
    pixels = np.asarray(picture)
    block = pixels[3 * 17 : 3 * 33, 6 * 3 * 17 :]
    assert np.array_equal(block, np.kron(255 - images[1, 6, 0], np.ones((3, 3), dtype=np.uint8)))


@pytest.mark.parametrize(("rows", "drawn"), [(3, 3), (99, 4)])
def test_adaptation_picture_has_a_row_per_class(draw_pictures, rows, drawn):
    pictures = draw_pictures(n_classes=4)
    picture = adaptation_picture(pictures, STEPS, LETTER, rows, magnification=1)
    cell_width, cell_height, gap, heading = 4 * 29 - 1, 2 * 29 - 1, 6, 15
    assert picture.size == (6 * (cell_width + gap) + gap, heading + drawn * (cell_height + gap) + gap)
    pixels = np.asarray(picture)
    top, left = heading + gap + 2 * (cell_height + gap), gap + 3 * (cell_width + gap)  # third class, after 5 steps
    assert np.array_equal(pixels[top : top + 28, left : left + 28, 0], 255 - pictures["adapted"][2, 3, 0, 0])
    assert (pixels[:heading] < 255).any()  # the headings


def test_groups_picture_has_a_column_per_class_under_its_group():
    images = np.random.default_rng(0).integers(0, 256, size=(6 * 5, 1, 16, 16), dtype=np.uint8)
    groups = ["few", "many", "many", "few", "many", "many"]
    records = tuple(ClassRecord(f"class {number}", group, "train", 5) for number, group in enumerate(groups))
    example = stored_example("image", (1, 16, 16), on_paper=True)
    bank = TaskBank(images, np.arange(7) * 5, records, "numbered", example, content_hash="")
    picture = groups_picture(bank, classes=3, rows=2, magnification=1)
    width, gap, heading = 3 * 17 - 1, 6, 15
    assert picture.size == (2 * (width + gap) + gap, heading + 2 * 17 - 1 + 2 * gap)
    pixels = np.asarray(picture)[..., 0]
    for group, shown in enumerate([[0, 3], [1, 2, 4]]):
        for column, number in enumerate(shown):
            for row in range(2):
                top, left = heading + gap + 17 * row, gap + group * (width + gap) + 17 * column
                assert np.array_equal(pixels[top : top + 16, left : left + 16], 255 - images[5 * number + row, 0])
    assert groups_picture(bank, classes=3, rows=99, magnification=1).height == heading + 5 * 17 - 1 + 2 * gap
    assert (pixels[: heading + gap] < 255).any()  # the names


def test_adaptation_picture_in_colour_with_more_samples_than_support(draw_pictures):
    pictures = draw_pictures(n_classes=2, k_shot=2, n=6, channels=3, size=32)
    assert adaptation_picture(pictures, STEPS, stored_example("image", (3, 32, 32)), 2).mode == "RGB"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "adapted",
            lambda images: images[:, :2],
            r"pictures\.adapted must be uint8 \(2, 6, n, 1, 28, 28\), got uint8 \(2, 2,",
        ),
        ("real", lambda images: images[:1], r"pictures\.real must be uint8 \(2, n, 1, 28, 28\)"),
        ("support", lambda images: images / 255, r"pictures\.support must be uint8"),
        ("scratch", lambda images: images[0, 0, 0, 0], r"pictures\.scratch must be uint8"),
    ],
)
def test_pictures_are_checked(draw_pictures, name, change, message):
    pictures = draw_pictures(n_classes=2)
    with pytest.raises(ValueError, match=message):
        check_pictures(pictures | {name: change(pictures[name])}, STEPS, LETTER)


def test_missing_pictures_are_named(draw_pictures):
    with pytest.raises(ValueError, match="pictures lacks adapted, real"):
        check_pictures({"support": draw_pictures(n_classes=1)["support"]}, STEPS, LETTER)


@pytest.mark.parametrize(("count", "size"), [(5, (5, 1)), (8, (8, 1)), (20, (8, 3))])
def test_picture_grid_shows_images_as_they_are(count, size):
    images = np.random.default_rng(0).integers(0, 256, size=(count, 1, 16, 16), dtype=np.uint8)
    picture = picture_grid(images, magnification=1)
    assert picture.size == tuple(17 * number - 1 for number in size)
    assert np.array_equal(np.asarray(picture)[:16, :16], images[0, 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_frames_show_the_pictures_and_the_samples_of_each_step(channels):
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, size=(3, channels, 64, 64), dtype=np.uint8)
    samples = generator.integers(0, 256, size=(4, 20, channels, 64, 64), dtype=np.uint8)
    frames = adaptation_frames(pictures, samples)
    assert len({frame.size for frame in frames}) == 1
    gap, heading, width = 6, 15, 4 * 65 - 1
    top, left = heading + gap, gap + width + gap
    for frame, made in zip(frames, samples, strict=True):
        pixels = np.asarray(frame)
        given = pixels[top : top + 64, gap : gap + 64]
        assert np.array_equal(given, np.broadcast_to(pictures[0].transpose(1, 2, 0), (64, 64, 3)))
        shown = pixels[top + 3 * 65 : top + 3 * 65 + 64, left + 3 * 65 : left + 3 * 65 + 64]
        assert np.array_equal(shown, np.broadcast_to(made[15].transpose(1, 2, 0), (64, 64, 3)))


def test_where_samples_differ_their_spread_is_bright() -> None:
    """Means and twice the deviations by numpy, in the middle of each enlarged picture."""
    pictures = np.random.default_rng(0).integers(0, 256, (5, 1, 16, 16), dtype=np.uint8)
    samples = np.zeros((4, 1, 16, 16), np.uint8)
    samples[:2] = 255  # half of them white: the largest spread
    samples[:, :, :8] = 200  # the upper half is the same in all
    sheet = np.asarray(spread_picture(pictures, samples).convert("L"))
    side, gap = 16 * 14, 6 * 2
    expected = (pictures.mean(0), 2 * pictures.std(0), samples.mean(0), 2 * samples.std(0))
    for column, values in enumerate(expected):
        left = gap + column * (side + gap)
        seen = sheet[-side - gap : -gap, left : left + side][7::14, 7::14]
        assert np.array_equal(seen, values[0].round().clip(0, 255))
