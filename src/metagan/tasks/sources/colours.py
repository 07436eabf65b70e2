"""Coloured, textured and shaded shapes, drawn by formula: needs no download.

A class has an outline, a texture, a relief, and a palette of two inks and a ground. Its images differ in pose, in the
light, which shades the relief and throws a shadow on the ground, and a little in colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray

from metagan.domains import stored_example
from metagan.parameters import Tasks
from metagan.parameters.tasks import COLOURS_PER_CLASS
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source

NOTE = "coloured, textured and shaded shapes, drawn by formula"
TRAIN, VAL, TEST = 176, 24, 40
FINER = 2
"""Points on a side of a pixel, whose mean is its colour."""
SIZE = 0.72
"""Distance of the farthest point of a shape from its middle before its pose, in halves of the image."""
ANGLES = np.linspace(-np.pi, np.pi, 1025)

Points = NDArray[np.float64]
"""x and y, (2, ...)."""


def colours(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """240 classes of 24 images: 176 train, 24 val and 40 test."""
    split_of = splits.at_random(TRAIN + VAL + TEST, TRAIN, VAL, seed)
    looks = [_look(_generator(seed, index, 0)) for index in range(len(split_of))]
    classes = tuple(
        ClassRecord(f"{index:03} {look.texture}", f"{look.lobes} lobes", split, COLOURS_PER_CLASS)
        for index, (look, split) in enumerate(zip(looks, split_of, strict=True))
    )
    drawings = tuple(partial(_draw, look, tasks.image_size, seed, index) for index, look in enumerate(looks))
    example = stored_example("image", (3, tasks.image_size, tasks.image_size))
    return Source("colours", NOTE, example, classes, drawings)


@dataclass(frozen=True)
class Look:
    """What the images of a class have in common.

    `palette` (3, 3): hue, saturation and value of both inks and the ground. `exponents`: of the superformula;
    `relief`: 1 a dome, more a plateau with a rounded edge. `angle`, `frequency` and `phase` are the texture's.
    """

    lobes: int
    exponents: tuple[float, float]
    relief: int
    texture: str
    angle: float
    frequency: float
    phase: float
    palette: NDArray[np.float64]


def _stripes(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(across)


def _waves(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(across + 1.2 * np.sin(along))


def _checks(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * np.sin(across) * np.sin(along)


def _dots(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cos(across) + np.cos(along) - 0.6


def _rings(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(np.hypot(across, along))


def _marble(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(across + 1.5 * np.sin(0.7 * along + 1) + np.sin(1.7 * across - 0.6 * along))


def _blend(across: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.25 * across


TEXTURES: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "stripes": _stripes,
    "waves": _waves,
    "checks": _checks,
    "dots": _dots,
    "rings": _rings,
    "marble": _marble,
    "blend": _blend,
}
"""(across, along) in radians, one tile 2 pi long -> below 0 the first ink, above 0 the second."""


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _look(generator: np.random.Generator) -> Look:
    hue = generator.uniform()
    second, ground = hue + generator.uniform(0.08, 0.5), hue + generator.uniform(0.3, 0.7)
    values = [generator.uniform(0.7, 1), generator.uniform(0.25, 0.6)]
    palette = [
        (hue % 1, generator.uniform(0.5, 1), values[0]),
        (second % 1, generator.uniform(0.4, 1), values[1]),
        (ground % 1, generator.uniform(0.1, 0.6), generator.choice([generator.uniform(0.1, 0.3), 0.9])),
    ]
    return Look(
        lobes=int(generator.integers(2, 8)),
        exponents=(float(np.exp(generator.uniform(-0.9, 0.7))), float(np.exp(generator.uniform(0, 1.6)))),
        relief=int(generator.choice([1, 2, 4])),
        texture=str(generator.choice(list(TEXTURES))),
        angle=generator.uniform(0, np.pi),
        frequency=generator.uniform(4, 8),
        phase=generator.uniform(0, 2 * np.pi),
        palette=np.array(palette),
    )


def _draw(look: Look, image_size: int, seed: int, index: int) -> Images:
    """All images of a class, uint8 (n, 3, image_size, image_size)."""
    generator = _generator(seed, index, 1)
    axis = (np.arange(FINER * image_size) + 0.5) * 2 / (FINER * image_size) - 1
    grid = np.stack(np.meshgrid(axis, axis))
    outline = _outline(look)
    images = []
    for _ in range(COLOURS_PER_CLASS):
        fine = _image(look, outline, grid, generator)
        pixels = fine.reshape(image_size, FINER, image_size, FINER, 3).mean((1, 3))
        images.append((255 * pixels.clip(0, 1)).round().astype(np.uint8).transpose(2, 0, 1))
    return np.stack(images)


def _image(
    look: Look, outline: NDArray[np.float64], grid: Points, generator: np.random.Generator
) -> NDArray[np.float64]:
    """One picture at the points of the grid (2, h, w), RGB (h, w, 3)."""
    pose, shift = _pose(generator)
    changes = generator.normal(0, 1, (3, 3)) * (0.012, 0.04, 0.04)
    inks = hsv_to_rgb(np.clip(look.palette + changes, (-1, 0, 0), (2, 1, 1)) % (1, 2, 2))
    towards, height = generator.uniform(0, 2 * np.pi), generator.uniform(0.55, 0.85)
    light = np.array([np.cos(towards), np.sin(towards)]) * np.sqrt(1 - height**2)

    points = np.tensordot(pose, grid - shift, 1)
    depth, normal = _relief(look, outline, points)
    brightness = 0.35 + 0.75 * (np.tensordot(light, normal, 1) + height * np.sqrt(1 - (normal**2).sum(0))).clip(0)
    share = 0.5 + 0.5 * np.tanh(2.5 * _texture(look, points))[..., None]
    shape = ((1 - share) * inks[0] + share * inks[1]) * brightness[..., None]

    shadow, _ = _relief(look, outline, np.tensordot(pose, grid - shift + 0.2 * light[:, None, None], 1))
    shade = 0.775 + 0.225 * np.tanh((shadow - 1) / 0.12)
    slope = 1 + 0.15 * np.tensordot(light, grid, 1)
    return np.where((depth < 1)[..., None], shape, inks[2] * (shade * slope)[..., None])


def _pose(generator: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From places in the image to places on the shape: a matrix (2, 2), and a shift (2, 1, 1) to take off before."""
    angle = generator.normal(0, np.deg2rad(10))
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    stretch = np.diag(1 / (SIZE * generator.uniform(0.85, 1.15) * generator.uniform(0.9, 1.1, 2)))
    shear = np.array([[1.0, generator.normal(0, 0.08)], [0.0, 1.0]])
    return stretch @ shear @ rotation, generator.normal(0, 0.06, (2, 1, 1))


def _outline(look: Look) -> NDArray[np.float64]:
    """Radius of the outline at ANGLES, 1 at its farthest: the superformula (Gielis 2003, American Journal of Botany 90,
    equation 3)."""
    sharpness, roundness = look.exponents
    sides = np.abs([np.cos(look.lobes * ANGLES / 4), np.sin(look.lobes * ANGLES / 4)]) ** roundness
    radius = sides.sum(0) ** (-1 / (sharpness * roundness))
    return radius / radius.max()


def _relief(look: Look, outline: NDArray[np.float64], points: Points) -> tuple[NDArray[np.float64], Points]:
    """Distance from the centre, 1 on the outline, and how far the surface leans outwards, x and y (2, ...)."""
    radius = np.hypot(*points) + 1e-9
    depth = radius / np.interp(np.arctan2(points[1], points[0]), ANGLES, outline)
    return depth, 0.9 * depth.clip(max=1) ** look.relief * points / radius


def _texture(look: Look, points: Points) -> NDArray[np.float64]:
    turned = np.array([[np.cos(look.angle), np.sin(look.angle)], [-np.sin(look.angle), np.cos(look.angle)]])
    across, along = look.frequency * np.tensordot(turned, points, 1)
    return TEXTURES[look.texture](across + look.phase, along)
