"""A folder of the project as a Kedro dataset."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from kedro.io import DatasetError

from metagan.io.local import LocalDataset


class FolderDataset(LocalDataset[NoReturn, Path]):
    """Loads the absolute path of a folder, made if it is not there; a node reads or writes inside."""

    def load(self) -> Path:
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: NoReturn) -> None:
        raise DatasetError(f"{self._filepath}: a folder is given to nodes, not saved by them")
