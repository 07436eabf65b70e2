"""Speech: log-mel spectrograms, uint8 (1, size, size), by the networks of pictures."""

from __future__ import annotations

import base64
from dataclasses import replace

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from metagan.domains.base import Form, Names, Shape
from metagan.domains.image import Images, check_shape, image, tile
from metagan.domains.sound import RATE, Spectrogram, sound_of, wav
from metagan.errors import UserError

LARGEST_CHANGES = (0.06, 0.06, 0.1, 0.1)
"""Pitch and time in halves of the spectrogram, logarithm of speed, share of the level."""


def _check(shape: Shape) -> None:
    check_shape(shape)
    if shape[0] != 1:
        raise UserError(f"shape: {shape} is no spectrogram (1, size, size)")


def moved(spectrograms: Tensor, changes: Tensor) -> Tensor:
    """Spectrograms (N, 1, B, T) higher, later, faster and louder by `changes` (N, 4), as LARGEST_CHANGES names them.

    What comes in from outside is silent.
    """
    pitch, time, speed, level = changes.unbind(1)
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    affine = torch.stack([speed.exp(), zero, -time, zero, one, -pitch], 1).view(-1, 2, 3)
    grid = F.affine_grid(affine, list(spectrograms.shape), align_corners=False)
    shown = F.grid_sample(spectrograms, grid, align_corners=False)
    return (shown * (1 + level).view(-1, 1, 1, 1)).clamp(0, 1)


def _picture(spectrograms: Images, on_paper: bool, columns: int) -> Image.Image:
    """Time to the right, high bands above, loud places dark."""
    return tile(spectrograms[:, :, ::-1], on_paper=True, columns=columns)


def _written(spectrogram: Spectrogram, seed: int) -> str:
    return base64.b64encode(wav(sound_of(spectrogram, seed))).decode("ascii")


speech = replace(
    image,
    names=Names(
        *("sound", "sounds", "recordings"),
        least="silent",
        most="loudest",
        drawn="sounds",
        binarised="every place of a spectrogram is set to silent or loudest at a half: levels are forgiven",
        pictures="Time runs to the right, high tones are above, and what is loud is dark.",
    ),
    check=_check,
    turns=1,
    turn=lambda spectrograms, times: spectrograms,
    largest_changes=LARGEST_CHANGES,
    move=moved,
    picture=_picture,
    form=Form(f"audio/wav;rate={RATE}", _written),
    packages=("librosa", "soundfile"),
)
