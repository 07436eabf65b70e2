"""Letters drawn from the DejaVu and STIX fonts inside the matplotlib wheel: needs no download.

A class is a distinct outline. Its samples are the same letter in several faces, each with its own small rotation,
scaling, shear, shift, elastic bend and change of stroke width, centred and scaled to fill the image.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import matplotlib
import numpy as np
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source, Split

# True italics are left out: they change the letter itself (a, g, Cyrillic t), where obliques only lean.
FACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
)
# First word of the Unicode name; a letter that looks the same in two scripts belongs to the one named first.
SCRIPTS = {
    "LATIN": "Latin",
    "CYRILLIC": "Cyrillic",
    "GREEK": "Greek",
    "ARMENIAN": "Armenian",
    "GEORGIAN": "Georgian",
    "HEBREW": "Hebrew",
    "ARABIC": "Arabic",
    "CANADIAN": "Canadian Aboriginal",
    "LAO": "Lao",
    "LISU": "Lisu",
    "TIFINAGH": "Tifinagh",
    "NKO": "NKo",
    "COPTIC": "Coptic",
    "OLD": "Old Italic",
    "OGHAM": "Ogham",
}
NOTE = "letters of the DejaVu (Bitstream Vera licence) and STIX (STIX licence) fonts that matplotlib ships"
REFERENCE_FACE = FACES[0]
# A blot (a dash, a dot, a thick hook) has ink farther from its outline than this share of its longer side.
BLOT = 0.115
FONT_SIZE = 96
# A letter is kept as signed distances on a grid: its longer side, and the space around it, in grid points.
SIDE = 60
MARGIN = 6
# The longer side of a letter before jitter, as a share of the image.
FILL = 0.74


def glyph_source(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Letters in at least `tasks.glyphs.minimum_faces` faces, split by script.

    The largest scripts (Canadian Aboriginal and Latin) are always in train; the seed deals out the others, at least 100
    letters to test and 40 to val.
    """
    settings = tasks.glyphs
    faces = _faces_of_letters()
    script = {letter: name for letter in faces if (name := _script(letter))}
    scripts = list(SCRIPTS.values())
    candidates = [
        letter
        for letter in sorted(script, key=lambda letter: (scripts.index(script[letter]), letter))
        if REFERENCE_FACE in faces[letter] and len(faces[letter]) >= settings.minimum_faces
    ]
    letters = _distinct(candidates)
    sizes = Counter(script[letter] for letter in letters)
    minimum: dict[Split, int] = {"train": len(letters) // 2, "test": 100, "val": 40}
    try:
        split_of = splits.by_group(sizes, minimum, seed)
    except ValueError as error:
        raise ValueError(
            f"tasks.glyphs.minimum_faces = {settings.minimum_faces} leaves too few letters: {error}"
        ) from error
    classes, drawings = [], []
    for letter in letters:
        name, group = unicodedata.name(letter).lower(), script[letter]
        classes.append(ClassRecord(name, group, split_of[group], settings.samples_per_class))
        drawings.append(partial(_draw, letter, faces[letter], settings.samples_per_class, tasks.image_size, seed))
    return Source("glyphs", NOTE, tasks.image_size, 1, tuple(classes), tuple(drawings))


def _fonts() -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=len(FACES))
def _font(face: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_fonts() / f"{face}.ttf"), FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


def _faces_of_letters() -> dict[str, tuple[str, ...]]:
    faces = defaultdict(list)
    for face in FACES:
        with TTFont(_fonts() / f"{face}.ttf", lazy=True) as font:
            for code in font.getBestCmap():
                faces[chr(code)].append(face)
    return {letter: tuple(names) for letter, names in faces.items()}


def _script(letter: str) -> str | None:
    """Script of a plain letter; None for modifiers, accented letters and compatibility forms."""
    if unicodedata.category(letter) not in ("Lu", "Ll", "Lo") or unicodedata.normalize("NFKD", letter) != letter:
        return None
    return SCRIPTS.get(unicodedata.name(letter, "?").split()[0])


def _signed_distance(letter: str, face: str) -> NDArray[np.float32]:
    """Distance to the outline, positive inside, (SIDE + 2 MARGIN) squared; the letter's longer side is SIDE long."""
    font = _font(face)
    left, top, right, bottom = font.getbbox(letter)
    canvas = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(canvas).text((-left, -top), letter, fill=255, font=font)
    letter_only = canvas.crop(canvas.getbbox())
    scale = SIDE / max(letter_only.size)
    size = [max(1, round(length * scale)) for length in letter_only.size]
    ink = np.asarray(letter_only.resize(size, Image.Resampling.BILINEAR)) > 127
    square = np.zeros((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), dtype=bool)
    top, left = ((SIDE - length) // 2 + MARGIN for length in ink.shape)
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    distance = distance_transform_edt(square) - distance_transform_edt(~square)
    return gaussian_filter(distance, 1.0).astype(np.float32)


def _rasterise(
    distance: NDArray[np.float32], grid: NDArray[np.float64], image_size: int, growth: float = 0.0
) -> Images:
    """Anti-aliased ink at the points `grid` (2, image_size * image_size), in units of the letter's longer side."""
    points = grid * SIDE + (len(distance) - 1) / 2
    values = map_coordinates(distance, points, order=1, mode="nearest") * (FILL * image_size / SIDE)
    return (255 * np.clip(values + growth + 0.5, 0, 1)).round().astype(np.uint8).reshape(image_size, image_size)


def _grid(image_size: int) -> NDArray[np.float64]:
    axis = (np.arange(image_size) - (image_size - 1) / 2) / (FILL * image_size)
    return np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)


def _knot_weights(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each point of the grid follows each of 16 knots, (points, 16), rows adding up to 1."""
    knots = np.stack(np.meshgrid(*2 * [np.linspace(-0.6, 0.6, 4)], indexing="ij")).reshape(2, -1)
    near = np.exp(-((grid[:, :, None] - knots[:, None]) ** 2).sum(0) / (2 * 0.35**2))
    return near / near.sum(1, keepdims=True)


def _jittered(
    grid: NDArray[np.float64], knot_weights: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    """The grid under a small random affine map and a smooth bend."""
    angle = generator.normal(0, np.deg2rad(6))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.array([[1.0, 0.0], [generator.normal(0, 0.1), 1.0]])
    scale = np.diag(1 / generator.uniform(0.85, 1.1, 2))
    bend = generator.normal(0, 0.04, (2, knot_weights.shape[1])) @ knot_weights.T
    shift = generator.normal(0, 0.03, (2, 1))
    return rotation @ shear @ scale @ grid + bend + shift


def _draw(letter: str, faces: tuple[str, ...], samples: int, image_size: int, seed: int) -> Images:
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ord(letter),)))
    distances = np.stack([_signed_distance(letter, face) for face in faces])
    # Some faces draw another form of the letter: leave out those that stray far from the first.
    distances = distances[_stray_ink(distances, 0.12)[0] <= 0.1]
    order = generator.permutation(len(distances))
    grid = _grid(image_size)
    knot_weights = _knot_weights(grid)
    images = []
    for sample in range(samples):
        distance = distances[order[sample % len(order)]]
        growth = generator.uniform(-0.15, 0.35)
        images.append(_rasterise(distance, _jittered(grid, knot_weights, generator), image_size, growth))
    return np.stack(images)[:, None]


def _stray_ink(distances: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
    """Share of the ink of one letter that is farther than `tolerance` from the ink of another, (n, n), symmetric.

    Letters are signed distances (n, side, side); `tolerance` is a share of their longer side.
    """
    flat = distances[:, ::2, ::2].reshape(len(distances), -1)
    ink = (flat > 0).astype(np.float32)
    far = (flat < -tolerance * SIDE).astype(np.float32)
    stray = ink @ far.T / ink.sum(axis=1, keepdims=True)
    return np.maximum(stray, stray.T)


def _distinct(letters: Sequence[str]) -> list[str]:
    """The letters, in order, that are no blot and look different from every earlier one."""
    distances = np.stack([_signed_distance(letter, REFERENCE_FACE) for letter in letters])
    same = _stray_ink(distances, 0.06) <= 0.01
    blot = distances.max(axis=(1, 2)) > BLOT * SIDE
    kept: list[int] = []
    for row in range(len(letters)):
        if not blot[row] and not same[row, kept].any():
            kept.append(row)
    return [letters[row] for row in kept]
