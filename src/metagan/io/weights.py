"""Saved models as a Kedro dataset."""

from __future__ import annotations

from metagan.io.local import LocalDataset
from metagan.training import model_file
from metagan.training.saved import Header, SavedModel


class WeightsDataset(LocalDataset[SavedModel[Header], SavedModel[Header]]):
    """A file of weights."""

    def load(self) -> SavedModel[Header]:
        return model_file.load(self._filepath)

    def save(self, data: SavedModel[Header]) -> None:
        model_file.save(data, self._filepath)
