"""A sound as a Kedro dataset."""

from __future__ import annotations

from metagan.domains.sound import Sound, wav
from metagan.files import replaced
from metagan.io.local import LocalDataset
from metagan.tasks.sources.audio_files import read_sound


class RecordingDataset(LocalDataset[Sound, Sound]):
    """A WAV file of a sound (n,) at domains.sound.RATE; what is loud of it is read."""

    def load(self) -> Sound:
        return read_sound(self._filepath)

    def save(self, data: Sound) -> None:
        with replaced(self._filepath) as temporary:
            temporary.write_bytes(wav(data))
