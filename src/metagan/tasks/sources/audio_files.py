"""Sound files of any rate and number of channels, read as spectrograms of one shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from metagan.domains import stored_example
from metagan.domains.sound import RATE, Sound, Spectrogram, at_rate, audible, length, spectrogram
from metagan.errors import UserError
from metagan.files import shown
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.folders import FileKind

if TYPE_CHECKING:
    from soundfile import SoundFile

Recordings = Callable[[], Sequence[Sound]]

RECORDINGS = FileKind((".wav", ".flac", ".ogg", ".oga"), "WAV, FLAC or OGG")
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG")
SHORTEST, LONGEST = 0.05, 10.0
"""Seconds of a recording; what comes later is left out."""
LOWEST_RATE = 4000
"""Samples a second, below which speech cannot be told."""

logger = logging.getLogger(__name__)


def of_recordings(
    name: str, note: str, classes: tuple[ClassRecord, ...], recordings: Sequence[Recordings], size: int
) -> Source:
    """A source of the spectrograms of recordings, size x size."""
    example = stored_example("speech", (1, size, size))
    drawings = tuple(partial(_drawn, recorded, size) for recorded in recordings)
    return Source(name, note, example, classes, drawings, tuple(recordings))


def _drawn(recorded: Recordings, size: int) -> Spectrogram:
    return np.stack([spectrogram(sound, size) for sound in recorded()])


def read_recordings(files: Sequence[Path], size: int) -> list[Sound]:
    """What is loud in each file; says how many are longer than the spectrograms of size x size.

    Raises UserError for a file that is damaged, silent, too short or of too low a rate, or holds what is no number.
    """
    sounds = [read_sound(file) for file in files]
    limit = length(size)
    if cut := sum(len(sound) > limit for sound in sounds):
        logger.warning(
            "%s: %d of %d recordings are longer than the %.2f seconds of a spectrogram: their middle was taken",
            shown(files[0].parent), cut, len(sounds), limit / RATE,
        )  # fmt: skip
    return sounds


def read_sound(file: Path | BinaryIO) -> Sound:
    """What is loud in a recording, the mean of its channels, (n,) at domains.sound.RATE; says when it was cut.

    Raises UserError as `read_recordings` does.
    """
    name = shown(file) if isinstance(file, Path) else "the data"
    try:
        with _opened(file) as recording:
            rate, whole = recording.samplerate, recording.frames
            samples = recording.read(round(LONGEST * rate), "float32", always_2d=True)
        _check(samples, rate)
        sound = samples.mean(1, dtype=np.float64)
        found = audible(at_rate((sound - sound.mean()).astype(np.float32), rate))
    except UserError as error:
        raise UserError(f"{name} cannot be read as a recording: {error}") from error
    if whole > len(samples):
        logger.warning("%s: only the first %g of its %.1f seconds are read", name, LONGEST, whole / rate)
    return found


def numbers_in(file: Path | BinaryIO) -> int:
    """How many numbers `read_sound` has to read, of all channels, as the file's header tells it.

    Raises UserError for what is no recording.
    """
    with _opened(file) as recording:
        return min(recording.frames, round(LONGEST * recording.samplerate)) * recording.channels


@contextmanager
def _opened(file: Path | BinaryIO) -> Iterator[SoundFile]:
    """Raises UserError for what is no recording, and for one that breaks off."""
    try:
        import soundfile
    except ImportError:
        raise UserError("recordings need soundfile: pip install 'metagan[speech]'") from None
    try:
        with _binary(file) as stream, soundfile.SoundFile(stream) as recording:
            if recording.format not in FORMATS:
                raise UserError(f"its format is {recording.format}, not {RECORDINGS.name}")
            yield recording
    except soundfile.LibsndfileError as error:
        raise UserError(error.error_string.strip(" .")) from error
    except OSError as error:
        raise UserError(error.strerror or repr(error)) from error


def _binary(file: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return open(file, "rb") if isinstance(file, Path) else nullcontext(file)


def _check(samples: Sound, rate: int) -> None:
    if rate < LOWEST_RATE:
        raise UserError(f"it has {rate} samples a second, but speech needs {LOWEST_RATE} or more")
    if len(samples) < SHORTEST * rate:
        raise UserError(f"it lasts {1000 * len(samples) / rate:.0f} ms, but {1000 * SHORTEST:.0f} are needed")
    if not np.isfinite(samples).all():
        raise UserError("it holds numbers that are not finite")
    if not np.ptp(samples, axis=0).any():
        raise UserError("it is silent")
