"""Sounds and their log-mel spectrograms, there and back."""

from __future__ import annotations

import io
from functools import lru_cache
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError

Sound: TypeAlias = NDArray[np.float32]
Spectrogram: TypeAlias = NDArray[np.uint8]

RATE = 8000
"""Samples a second: what is told apart on a telephone."""
SPAN = 6144
"""Samples, three quarters of a second, over which the frames of a spectrogram are spread."""
DECIBELS = 60.0
"""Below the loudest place, which is 255; what is fainter is 0, and silent."""
AUDIBLE = 40.0
"""Decibels below the loudest moment at which a sound begins and ends."""
PEAK = 0.9
"""Of sounds that are made of spectrograms, so that none is clipped."""
ITERATIONS = 60
"""Of Griffin and Lim's algorithm."""


@lru_cache(maxsize=1)
def librosa() -> ModuleType:
    """The library, imported when it is first needed. Raises UserError where it is not installed."""
    try:
        import librosa as found
    except ImportError:
        raise UserError("speech needs librosa: pip install 'metagan[speech]'") from None
    return found


def hop(size: int) -> int:
    """Samples between the frames of a spectrogram of size x size."""
    return round(SPAN / size)


def window(size: int) -> int:
    """Samples that a frame looks at."""
    return max(512, 2 * hop(size))


def length(size: int) -> int:
    """Samples of the sound that a spectrogram of size x size shows, with its first and last frame on the ends."""
    return hop(size) * (size - 1)


def at_rate(sound: Sound, rate: float) -> Sound:
    """The sound (n,) of so many samples a second at RATE."""
    librosa()
    import soxr  # what librosa resamples by, without the seconds in which librosa finds that out

    return soxr.resample(sound, rate, RATE).astype(np.float32)


def audible(sound: Sound) -> Sound:
    """The sound (n,) at RATE between the first and the last moment that are loud. Raises UserError for a silent one."""
    step = RATE // 100
    padded = np.pad(sound, (0, -len(sound) % step)).reshape(-1, step)
    power = np.square(padded, dtype=np.float64).mean(1)
    if not power.max() > 0:
        raise UserError("it is silent")
    (loud,) = np.nonzero(power >= power.max() * 10 ** (-AUDIBLE / 10))
    return sound[loud[0] * step : (loud[-1] + 1) * step]


def centred(sound: Sound, samples: int) -> Sound:
    """The middle `samples` of a sound (n,), or all of it in the middle of silence."""
    spare = samples - len(sound)
    if spare >= 0:
        return np.pad(sound, (spare // 2, spare - spare // 2))
    return sound[-spare // 2 :][:samples]


def spectrogram(sound: Sound, size: int) -> Spectrogram:
    """Decibels of `size` mel bands from 0 to RATE / 2, the lowest first, in `size` frames: uint8 (1, size, size).

    The sound (n,) at RATE is put in the middle. 255 is the loudest place, 0 what is DECIBELS below or fainter.
    """
    mel = librosa().feature.melspectrogram(
        y=centred(sound, length(size)), sr=RATE, n_fft=window(size), hop_length=hop(size), n_mels=size
    )
    loudest = max(float(mel.max()), 1e-20)
    decibels = 10 * np.log10(np.maximum(mel / loudest, 10 ** (-DECIBELS / 10)))
    return ((decibels / DECIBELS + 1) * 255).round().astype(np.uint8)[None]


def sound_of(shown: Spectrogram, seed: int) -> Sound:
    """A sound (length(size),) at RATE whose spectrogram is about `shown`, uint8 (1, size, size); PEAK is its largest.

    Phases by the algorithm of Griffin and Lim (IEEE Transactions on ASSP 32, 1984), started at random by the seed. A
    spectrogram of nothing is silent.
    """
    size = shown.shape[-1]
    if not shown.any():
        return np.zeros(length(size), np.float32)
    levels = shown[0].astype(np.float64) / 255
    mel = np.where(levels > 0, 10 ** ((levels - 1) * DECIBELS / 10), 0.0)
    magnitudes = librosa().feature.inverse.mel_to_stft(mel, sr=RATE, n_fft=window(size))
    sound = librosa().griffinlim(
        magnitudes, n_iter=ITERATIONS, hop_length=hop(size), length=length(size), random_state=seed
    )
    return (sound * (PEAK / max(float(np.abs(sound).max()), 1e-9))).astype(np.float32)


def wav(sound: Sound) -> bytes:
    """A WAV file of a sound (n,) at RATE, of 16 bits a sample."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()
