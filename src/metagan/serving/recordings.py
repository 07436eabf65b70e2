"""Recordings in requests: WAV, FLAC or OGG files as base64 text."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from metagan.domains import DOMAINS
from metagan.domains.base import Shape
from metagan.domains.sound import RATE, length, spectrogram, wav
from metagan.errors import UserError
from metagan.serving.limits import MOST_NUMBERS_OF_ONE
from metagan.tasks.sources.audio_files import numbers_in, read_sound


def count_numbers(name: str, recordings: Sequence[str]) -> int:
    """The numbers that are read of sound files, of all channels, as their headers tell them; nothing is decoded.

    Raises UserError, which starts with `name`, for a file that is no recording or too large.
    """
    total = 0
    for number, recording in enumerate(recordings):
        try:
            found = numbers_in(_file(recording))
        except ValueError as error:
            raise UserError(f"{name}: number {number} is no recording as base64 text ({error})") from error
        if found > MOST_NUMBERS_OF_ONE:
            raise UserError(f"{name}: number {number} has {found} numbers, more than {MOST_NUMBERS_OF_ONE}")
        total += found
    return total


def _file(recording: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(recording, validate=True))


def from_base64(name: str, recordings: Sequence[str], shape: Shape) -> Tensor:
    """Sound files of any rate and number of channels as spectrograms (n, *shape) in [0, 1].

    Raises UserError, which starts with `name`, for one that is damaged, silent, too short or of too low a rate.
    """
    shown = []
    for number, recording in enumerate(recordings):
        try:
            shown.append(spectrogram(read_sound(_file(recording)), shape[-1]))
        except ValueError as error:
            told = error.__cause__ or error
            raise UserError(f"{name}: number {number} cannot be read as a recording ({told})") from error
    if not shown:
        raise UserError(f"{name}: holds no recording")
    return DOMAINS["speech"].to_tensor(np.stack(shown))


def tones(shape: Shape) -> list[str]:
    """Three recordings of a tone, as long as a spectrogram shows."""
    tone = 0.5 * np.sin(2 * np.pi * 300 * np.arange(length(shape[-1])) / RATE)
    return [base64.b64encode(wav(tone.astype(np.float32))).decode("ascii")] * 3
