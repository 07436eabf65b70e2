"""Letters drawn from the DejaVu and STIX fonts inside the matplotlib wheel: needs no download.

A class is a distinct outline, however it is turned: quarter turns of train classes count as further classes
(`stream: [turned]`), and no class of another split may be one of them. Its samples are the same letter in several
faces, each with its own small rotation, scaling, shear, shift, elastic bend and change of stroke width, centred and
scaled to fill the image.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
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
from metagan.tasks.sources.base import ClassRecord, Images, Source, Split, ink

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


def glyphs(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Letters in at least `tasks.glyphs.minimum_faces` faces, split by script.

    The largest scripts (Canadian Aboriginal and Latin by default) are always in train. The seed deals out the others:
    at least 100 letters to test and 40 to val, or an eighth and a twentieth of all where these are few.
    """
    settings = tasks.glyphs
    letters, turned = _letters(settings.minimum_faces)
    sizes = Counter(letter.script for letter in letters)
    count = len(letters)
    minimum: dict[Split, int] = {"train": count // 2, "test": min(100, count // 8), "val": min(40, count // 20)}
    split_of = splits.by_group(sizes, minimum, seed)
    classes, drawings = [], []
    for letter in letters:
        name, samples = unicodedata.name(letter.character).lower(), settings.samples_per_class
        classes.append(ClassRecord(name, letter.script, split_of[letter.script], samples))
        drawings.append(partial(_draw, letter, samples, tasks.image_size, seed))
    note = f"{NOTE}; {turned} letters were left out that look like another after quarter turns"
    return Source("glyphs", note, ink(tasks.image_size), tuple(classes), tuple(drawings))


@dataclass(frozen=True)
class Letter:
    """A character, its script and the faces that have it, the reference face first."""

    character: str
    script: str
    faces: tuple[str, ...]


@lru_cache
def _letters(minimum_faces: int) -> tuple[tuple[Letter, ...], int]:
    """The different-looking letters in at least `minimum_faces` faces, by script, and how many are turned others."""
    faces = defaultdict(list)
    for face in FACES:
        with TTFont(_path(face), lazy=True) as font:
            for code in font.getBestCmap():
                faces[chr(code)].append(face)
    scripts = list(SCRIPTS.values())
    letters = (
        Letter(character, script, tuple(names))
        for character, names in faces.items()
        if names[0] == REFERENCE_FACE and len(names) >= minimum_faces and (script := _script(character))
    )
    return _distinct(sorted(letters, key=lambda letter: (scripts.index(letter.script), letter.character)))


def _script(character: str) -> str | None:
    """Script of a plain letter; None for modifiers, accented letters and compatibility forms."""
    plain = unicodedata.category(character) in ("Lu", "Ll", "Lo")
    if not plain or unicodedata.normalize("NFKD", character) != character:
        return None
    return SCRIPTS.get(unicodedata.name(character, "?").split()[0])


def _distinct(letters: Sequence[Letter]) -> tuple[tuple[Letter, ...], int]:
    """The letters, in order, that are no blot and look different from every earlier one, however they are turned.

    With them comes the number of those that look different upright, and were left out as turns of another.
    """
    distances = np.stack([_signed_distance(letter.character, REFERENCE_FACE) for letter in letters])
    whole = np.flatnonzero(distances.max(axis=(1, 2)) <= BLOT * SIDE)
    upright = whole[_first_of_their_kind(_look_alike(distances[whole], turns=0))]
    turned = [_look_alike(distances[upright], turns) for turns in range(4)]
    kept = upright[_first_of_their_kind(np.any(turned, axis=0))]
    return tuple(letters[row] for row in kept), len(upright) - len(kept)


def _look_alike(distances: NDArray[np.float32], turns: int) -> NDArray[np.bool_]:
    """Which letters look like which others turned by quarter turns, (n, n)."""
    return _stray_ink(distances, np.rot90(distances, turns, (1, 2)), 0.06) <= 0.01


def _first_of_their_kind(same: NDArray[np.bool_]) -> list[int]:
    """The rows that are the same as no earlier one that was kept."""
    kept: list[int] = []
    for row in range(len(same)):
        if not same[row, kept].any():
            kept.append(row)
    return kept


def _stray_ink(first: NDArray[np.float32], second: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
    """Share of the ink of one letter that is farther than `tolerance` from the ink of another, (n, m).

    Of a first letter to a second and back it is the larger one. Letters are signed distances (n, side, side) and
    (m, side, side); `tolerance` is a share of their longer side.
    """

    def ink_and_far(distances: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        flat = distances[:, ::2, ::2].reshape(len(distances), -1)
        return (flat > 0).astype(np.float32), (flat < -tolerance * SIDE).astype(np.float32)

    (ink, far), (other_ink, other_far) = ink_and_far(first), ink_and_far(second)
    there: NDArray[np.float32] = ink @ other_far.T / ink.sum(axis=1, keepdims=True)
    back: NDArray[np.float32] = other_ink @ far.T / other_ink.sum(axis=1, keepdims=True)
    return np.maximum(there, back.T)


def _path(face: str) -> str:
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf")


@lru_cache(maxsize=len(FACES))
def _font(face: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_path(face), FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


def _signed_distance(character: str, face: str) -> NDArray[np.float32]:
    """Distance to the outline, positive inside, (SIDE + 2 MARGIN) squared; the letter's longer side is SIDE long."""
    font = _font(face)
    left, top, right, bottom = font.getbbox(character)
    canvas = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(canvas).text((-left, -top), character, fill=255, font=font)
    letter_only = canvas.crop(canvas.getbbox())
    scale = SIDE / max(letter_only.size)
    size = [max(1, round(length * scale)) for length in letter_only.size]
    ink = np.asarray(letter_only.resize(size, Image.Resampling.BILINEAR)) > 127
    square = np.zeros((SIDE + 2 * MARGIN, SIDE + 2 * MARGIN), dtype=bool)
    top, left = ((SIDE - length) // 2 + MARGIN for length in ink.shape)
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    distance = distance_transform_edt(square) - distance_transform_edt(~square)
    return gaussian_filter(distance, 1.0).astype(np.float32)


def _rasterise(distance: NDArray[np.float32], grid: NDArray[np.float64], image_size: int, growth: float) -> Images:
    """Anti-aliased ink at the points `grid` (2, image_size squared), in units of the letter's longer side.

    Strokes are `growth` pixels wider on either side.
    """
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


def _draw(letter: Letter, samples: int, image_size: int, seed: int) -> Images:
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ord(letter.character),)))
    distances = np.stack([_signed_distance(letter.character, face) for face in letter.faces])
    # Some faces draw another form of the letter: leave out those that stray far from the reference.
    distances = distances[_stray_ink(distances, distances[:1], 0.12)[:, 0] <= 0.1]
    order = generator.permutation(len(distances))
    grid = _grid(image_size)
    knot_weights = _knot_weights(grid)
    images = []
    for sample in range(samples):
        distance = distances[order[sample % len(order)]]
        growth = generator.uniform(-0.15, 0.35) * image_size / 28
        images.append(_rasterise(distance, _jittered(grid, knot_weights, generator), image_size, growth))
    return np.stack(images)[:, None]
