"""The plane of recognisability and diversity as a picture, beside what is published."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from metagan.parameters import StoredExample
from metagan.reporting.figures import sample_grid

PUBLISHED = {
    "people": (1.29, 97.4),
    "VAE-NS": (1.75, 85.0),
    "VAE-STN": (2.05, 75.0),
    "DA-GAN-UNet": (0.31, 88.0),
    "DA-GAN-ResNet": (0.36, 83.0),
}
"""Diversity and recognisability in percent, by the critics of arXiv 2205.10370."""
NAMES = {
    "people": "people",
    "people_at_model_size": "people, at the model's size",
    "jittered_copies": "jittered copies",
    "noise": "noise",
}
BELOW, LEFT = ("people_at", "model", "DA-GAN-ResNet"), ("jittered", "model")
"""What has its name below or left of its point, so that names near each other do not meet."""
CLASSES, DRAWINGS = 12, 8


def name_of(arm: str) -> str:
    """An arm of `evaluation.plane` for people: `model_8_shot` is `model, K = 8`."""
    if arm in NAMES:
        return NAMES[arm]
    who, k_shot, _ = arm.split("_")
    return f"{who}, K = {k_shot}"


def published_relative() -> dict[str, tuple[float, float]]:
    """What is published in units of the people of that paper."""
    people = PUBLISHED["people"]
    return {name: (point[0] / people[0], point[1] / people[1]) for name, point in PUBLISHED.items()}


def plane_figure(table: Mapping[str, Any]) -> Image.Image:
    """All points in units of people's, whose critics differ between this project and the paper."""
    figure = Figure(figsize=(7, 4.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    for arm, point in table["points"].items():
        colour = "#c44f00" if arm.startswith("model") else "#1a1a1a" if arm.startswith("people") else "#5c5c5c"
        place = (point["relative"]["diversity"], point["relative"]["recognisability"])
        axes.plot(*place, "o", color=colour)
        _label(axes, name_of(arm), place, colour, arm.startswith(BELOW), arm.startswith(LEFT))
    for name, place in published_relative().items():
        if name != "people":
            axes.plot(*place, "s", color="#0067a5", fillstyle="none")
            _label(axes, name, place, "#0067a5", name.startswith(BELOW))
    axes.set_xlabel("diversity / that of people")
    axes.set_ylabel("recognisability / that of people")
    axes.set_title("Filled: measured here. Open: published, by other critics (arXiv 2205.10370)", fontsize=9)
    axes.margins(x=0.15, y=0.1)
    axes.grid(color="#e4e4e4")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def plane_grid(example: StoredExample, drawings: Mapping[str, Tensor]) -> Image.Image:
    """A row for each of some classes: the exemplar, samples of the model for each K, and people's drawings."""
    shown = [drawings["exemplars"]]
    shown += [images[:, :DRAWINGS] for arm, images in drawings.items() if arm.startswith("model")]
    shown.append(drawings["people"][:, :DRAWINGS])
    rows = torch.linspace(0, len(shown[0]) - 1, min(CLASSES, len(shown[0]))).round().long()
    return sample_grid(example, torch.cat([images[rows] for images in shown], 1), magnification=1)


def _label(
    axes: Axes, name: str, place: tuple[float, float], colour: str, below: bool = False, left: bool = False
) -> None:
    shift = (-6 if left else 6, -10 if below else 4)
    side = "right" if left else "left"
    axes.annotate(name, place, shift, textcoords="offset points", fontsize=8, color=colour, ha=side)
