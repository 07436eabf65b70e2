from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, ImageOps

from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import ClassRecord, Source


def open_source(seed: int = 0, image_size: int = 28, **settings: int) -> Source:
    return SOURCES["glyphs"](Tasks(source="glyphs", image_size=image_size, glyphs=settings), seed, Path("unused"))


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source()


def test_every_split_has_its_share_of_whole_scripts(source: Source) -> None:
    sizes = Counter(record.split for record in source.classes)
    assert len(source.classes) >= 500 and sizes["train"] >= 300 and sizes["test"] >= 100 and sizes["val"] >= 40
    splits = defaultdict(set)
    for record in source.classes:
        splits[record.group].add(record.split)
    assert len(splits) >= 10 and all(len(of_script) == 1 for of_script in splits.values())
    assert len({record.name for record in source.classes}) == len(source.classes)


def test_classes_depend_on_no_seed_but_their_splits_do(source: Source) -> None:
    assert open_source().classes == source.classes
    other = open_source(seed=1)
    assert [record.name for record in other.classes] == [record.name for record in source.classes]
    assert other.classes != source.classes


def test_homoglyphs_are_one_class(source: Source) -> None:
    names = {record.name for record in source.classes}
    assert {"latin capital letter o", "cyrillic capital letter zhe", "greek capital letter psi"} <= names
    homoglyphs = {"greek capital letter omicron", "cyrillic capital letter o", "latin small letter o", "lisu letter o"}
    assert not names & (
        homoglyphs | {"cyrillic capital letter a", "greek capital letter alpha", "latin small letter x"}
    )


def test_letters_that_are_turned_others_are_one_class(source: Source) -> None:
    names = {record.name for record in source.classes}
    pairs = {
        "latin capital letter k": "lisu letter kha",  # by two quarter turns
        "latin capital letter t": "lisu letter tha",
        "latin small letter n": "latin small letter u",
        "latin capital letter e": "latin small letter sideways turned m",  # by one
        "latin small letter e": "latin capital letter schwa",
    }
    assert pairs.keys() <= names
    assert not names & set(pairs.values())
    assert not any(record.group == "Lisu" for record in source.classes)
    assert re.search(r"; 150 letters were left out", source.note)


def test_no_letter_looks_like_another_however_it_is_turned(source: Source) -> None:
    """By the correlation of thumbnails of the whole face, drawn by Pillow alone."""
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 80)

    def standardised(record: ClassRecord) -> np.ndarray:
        canvas = Image.new("L", (200, 200))
        ImageDraw.Draw(canvas).text((60, 40), unicodedata.lookup(record.name.upper()), fill=255, font=font)
        ink = ImageOps.contain(canvas.crop(canvas.getbbox()), (24, 24))
        square = np.asarray(ImageOps.pad(ink, (24, 24))).astype(float)
        return (square - square.mean()) / square.std()

    thumbnails = np.stack([standardised(record) for record in source.classes])
    for turns in range(4):
        turned = np.rot90(thumbnails, turns, (1, 2))
        correlation = np.einsum("ixy,jxy->ij", thumbnails, turned, optimize=True) / 24**2
        np.fill_diagonal(correlation, 0)  # a letter may be its own turn
        assert correlation.max() < 0.99, turns


def index_of(source: Source, name: str) -> int:
    return [record.name for record in source.classes].index(name)


@pytest.mark.parametrize("image_size", [16, 28, 64])
def test_samples_are_bright_centred_letters_that_fill_the_image(image_size: int) -> None:
    source = open_source(image_size=image_size, samples_per_class=12)
    for index in range(0, len(source.classes), 40):
        images = source.render(index)
        assert images.shape == (12, 1, image_size, image_size) and images.dtype == np.uint8
        ink = images[:, 0].astype(float)
        assert (ink.max(axis=(1, 2)) > 200).all()
        assert np.median(np.concatenate([ink[:, 0], ink[:, -1]])) == 0
        share = (ink > 127).mean(axis=(1, 2))
        assert (share > 0.01).all() and (share < 0.45).all()
        rows, columns = ((ink > 127).any(axis=axis) for axis in (2, 1))
        longer = np.maximum(rows.sum(axis=1), columns.sum(axis=1))
        assert (longer > 0.4 * image_size).all() and longer.mean() > 0.6 * image_size
        for present in (rows, columns):
            middle = [np.flatnonzero(line)[[0, -1]].mean() for line in present]
            assert np.abs(np.array(middle) - (image_size - 1) / 2).max() < 0.25 * image_size


def test_samples_are_the_letter_that_their_name_says(source: Source) -> None:
    letters = {letter: f"latin capital letter {letter.lower()}" for letter in "ZKSO"}
    averages = {letter: source.render(index_of(source, name)).mean(axis=(0, 1)) for letter, name in letters.items()}
    font = ImageFont.load_default(40)
    for letter in letters:
        canvas = Image.new("L", (80, 80))
        ImageDraw.Draw(canvas).text((20, 10), letter, fill=255, font=font)
        ink = canvas.crop(canvas.getbbox())
        drawn = np.asarray(ImageOps.pad(ImageOps.contain(ink, (20, 20)), (20, 20)))
        drawn = np.pad(drawn.astype(float), 4)
        correlation = {name: np.corrcoef(drawn.ravel(), average.ravel())[0, 1] for name, average in averages.items()}
        assert max(correlation, key=correlation.get) == letter


def test_samples_vary_but_resemble_their_own_class_most(source: Source) -> None:
    drawn = np.stack([source.render(index)[:, 0] for index in range(0, len(source.classes), 30)]).astype(float)
    assert all(len(np.unique(images, axis=0)) == len(images) for images in drawn)
    prototypes = drawn[:, ::2].mean(axis=1).reshape(len(drawn), -1)
    queries = drawn[:, 1::2].reshape(len(drawn), -1, prototypes.shape[1])
    nearest = ((queries[:, :, None] - prototypes) ** 2).sum(-1).argmin(-1)
    assert (nearest == np.arange(len(drawn))[:, None]).mean() > 0.75  # by chance 1 / 39


def test_samples_follow_the_seed_alone(source: Source) -> None:
    index = index_of(source, "latin capital letter r")
    assert np.array_equal(source.render(index), open_source().render(index))
    assert not np.array_equal(source.render(index), open_source(seed=1).render(index))


@pytest.mark.parametrize("minimum_faces", [1, 8, 12])
def test_fewer_letters_are_in_more_faces(source: Source, minimum_faces: int) -> None:
    other = open_source(minimum_faces=minimum_faces)
    assert (len(other.classes) < len(source.classes)) == (minimum_faces > 4)
    assert min(Counter(record.split for record in other.classes).values()) >= 10
