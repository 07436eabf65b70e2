"""Named arrays as a Kedro dataset."""

from __future__ import annotations

from zipfile import BadZipFile

import numpy as np
from kedro.io import DatasetError
from numpy.typing import NDArray

from metagan.files import replaced
from metagan.io.local import LocalDataset

Arrays = dict[str, NDArray[np.generic]]


class ArraysDataset(LocalDataset[Arrays, Arrays]):
    """A compressed .npz; object arrays (pickles) are refused both ways."""

    def load(self) -> Arrays:
        try:
            with np.load(self._filepath, allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError:
            raise
        except (BadZipFile, EOFError, OSError, ValueError) as error:
            raise DatasetError(f"{self._filepath}: damaged, or no .npz file; evaluate again") from error

    def save(self, data: Arrays) -> None:
        with replaced(self._filepath) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **data)
