"""An animated picture as a Kedro dataset."""

from __future__ import annotations

from PIL import Image

from metagan.files import replaced
from metagan.io.local import LocalDataset


class AnimationDataset(LocalDataset[list[Image.Image], Image.Image]):
    """Frames of one size as a GIF that repeats: `milliseconds` a frame, ten times that for the last one."""

    def __init__(self, filepath: str, milliseconds: int = 250) -> None:
        super().__init__(filepath)
        self._milliseconds = milliseconds

    def load(self) -> Image.Image:
        return Image.open(self._filepath, formats=("GIF",))

    def save(self, data: list[Image.Image]) -> None:
        first, *others = data
        durations = [*[self._milliseconds] * len(others), 10 * self._milliseconds]
        with replaced(self._filepath) as temporary:
            first.save(temporary, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
