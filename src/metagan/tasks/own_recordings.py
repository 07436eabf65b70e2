"""A person's few recordings of one word, as the spectrograms of a bank."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from metagan.domains.sound import Spectrogram, spectrogram
from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Adapt
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.audio_files import RECORDINGS, read_recordings

MOST = 50


class OwnRecordings(NamedTuple):
    """Spectrograms in the shape of a bank, uint8 (K, 1, size, size), and their files."""

    examples: Spectrogram
    files: tuple[Path, ...]


def read_own_recordings(settings: Adapt, bank: TaskBank, fewest: int = 1) -> OwnRecordings:
    """The recordings of `settings.audio`.

    Raises UserError for a bank of another domain, no folder, fewer than `fewest` or too many recordings, and one that
    cannot be read.
    """
    if bank.example.domain != "speech":
        raise UserError(f"adapt.audio: is of recordings, but the task bank of {bank.source} has {bank.example.domain}")
    folder = settings.audio
    if folder is None:
        raise UserError("adapt.audio: must name a folder of recordings, as in make adapt AUDIO=DIR")
    if not folder.is_dir():
        raise UserError(f"adapt.audio: {shown(folder)} is not a folder")
    files, left_out = RECORDINGS.files(folder)
    RECORDINGS.tell_left_out("adapt.audio", folder, left_out)
    if not fewest <= len(files) <= MOST:
        raise UserError(
            f"adapt.audio: {shown(folder)} holds {len(files)} {RECORDINGS.name} files; {fewest} to {MOST} of one word "
            "are needed"
        )
    size = bank.example.shape[-1]
    return OwnRecordings(np.stack([spectrogram(sound, size) for sound in read_recordings(files, size)]), files)
