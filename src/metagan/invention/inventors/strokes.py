"""Strokes of two classes in one drawing: what is on one side of a line is of the first, the rest of the second."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.invention.inventors.base import Draft, Studio
from metagan.parameters import Invent
from metagan.training.gan import GENERATOR


def strokes(studio: Studio, settings: Invent, count: int, generator: np.random.Generator) -> list[Draft]:
    """The line goes through the middle at any angle, and parts the maps of every size in the same way.

    Raises UserError where the domain's generator has no maps.
    """
    maps = [GENERATOR + name for name in studio.gan.domain.gan.encoded]
    if not set(maps) & set(studio.tensors):
        raise UserError(
            f"invent.how: strokes parts maps, and the generator of {studio.bank.source} has none that adapt"
        )
    drafts = []
    for _ in range(count):
        places, angle = studio.chosen(2, generator), generator.uniform(0, 2 * np.pi)
        code = studio.codes[places[1]].clone()
        own, other = studio.parts(code), studio.parts(studio.codes[places[0]])
        for name in maps:
            share = side_of_line(own[name].shape[-2:], angle, settings.strokes.sharpness)
            own[name].copy_(share * other[name] + (1 - share) * own[name])
        way = f"the first on the side at {np.degrees(angle):.0f} degrees, the second on the other"
        drafts.append(Draft(studio.draw(code, generator), studio.named(places), (0.5, 0.5), way))
    return drafts


def side_of_line(size: torch.Size | tuple[int, int], angle: float, sharpness: float) -> Tensor:
    """(H, W) from 0 to 1: how far a place lies towards the angle from a line through the middle; the change between
    the sides is a logistic curve that a `sharpness` of 1 makes a fifth of the picture wide."""
    down, right = ((torch.arange(length) + 0.5) / length - 0.5 for length in size)
    towards = np.cos(angle) * right[None] + np.sin(angle) * down[:, None]
    return torch.sigmoid(20 * sharpness * towards)
