"""A page to listen to: recordings and samples of unseen classes side by side, with their spectrograms."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from metagan.domains import DOMAINS
from metagan.domains.sound import AUDIBLE, RATE, Sound, Spectrogram, audible, wav
from metagan.reporting.figures import data_uri
from metagan.reporting.templates import template

MAGNIFICATION = 3
COLUMNS = {
    "real": "real recordings",
    "inverted_real": "the same, inverted from their spectrograms",
    "adapted": "adapted",
    "jittered": "jittered support recordings",
    "gaussian": "Gaussian on the support",
}
"""What the page says of the arms, in its order."""


@dataclass(frozen=True)
class Heard:
    """A sound (n,) at domains.sound.RATE, and what its spectrogram looks like."""

    sound: Sound
    shown: Spectrogram


def sound_check(sounds: Sequence[Sound]) -> dict[str, float]:
    """Mean duration of what is loud in seconds and level in decibels of the full scale, and the share of sounds with a
    sample at the full scale, which may be clipped."""
    loud = [audible(sound) for sound in sounds if sound.any()]
    levels = [20 * np.log10(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) for sound in loud]
    return {
        "seconds": float(np.mean([len(sound) / RATE for sound in loud])) if loud else 0.0,
        "level": float(np.mean(levels)) if loud else -np.inf,
        "clipped": float(np.mean([np.abs(sound).max() >= 1 for sound in sounds])),
        "silent": 1 - len(loud) / len(sounds),
    }


def listening_page(rows: Mapping[str, Mapping[str, Sequence[Heard]]], checks: Mapping[str, Mapping[str, float]]) -> str:
    """One HTML file that opens without a network: a row for each class, a column for each arm."""
    cells = {
        name: {arm: [(_picture(heard.shown), _audio(heard.sound)) for heard in row[arm]] for arm in COLUMNS}
        for name, row in rows.items()
    }
    return template("listening.html.j2").render(
        columns=COLUMNS, rows=cells, checks=checks, rate=RATE, audible=int(AUDIBLE)
    )


def _picture(shown: Spectrogram) -> str:
    picture = DOMAINS["speech"].picture(shown[None], True, 1)
    size = (picture.width * MAGNIFICATION, picture.height * MAGNIFICATION)
    return data_uri(picture.resize(size, Image.Resampling.NEAREST))


def _audio(sound: Sound) -> str:
    return f"data:audio/wav;base64,{base64.b64encode(wav(sound)).decode()}"
