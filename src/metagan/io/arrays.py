"""Named arrays as a Kedro dataset."""

from __future__ import annotations

from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from metagan.errors import UserError
from metagan.files import replaced
from metagan.io.local import LocalDataset

Arrays = dict[str, NDArray[np.generic]]
LARGEST = 1 << 32  # bytes of all arrays together


class ArraysDataset(LocalDataset[Arrays, Arrays]):
    """A compressed .npz; object arrays (pickles) are refused both ways, and more than 4 GiB when it is read."""

    def load(self) -> Arrays:
        try:
            with ZipFile(self._filepath) as members:
                size = sum(member.file_size for member in members.infolist())
            if size > LARGEST:
                raise ValueError(f"{size >> 20} MiB when unpacked")
            with np.load(self._filepath, allow_pickle=False) as arrays:
                return dict(arrays)
        except FileNotFoundError:
            raise
        except (BadZipFile, EOFError, OSError, ValueError, MemoryError) as error:
            raise UserError(f"{self._filepath}: damaged, or no .npz file ({error}); evaluate again") from error

    def save(self, data: Arrays) -> None:
        with replaced(self._filepath) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **data)
