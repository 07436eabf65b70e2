"""The datasets of kedro-datasets that the catalog uses, writing files that are either whole or absent."""

from __future__ import annotations

from copy import copy
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import DatasetError
from kedro_datasets.json import JSONDataset as PlainJSONDataset
from kedro_datasets.pandas import CSVDataset as PlainCSVDataset
from kedro_datasets.pillow import ImageDataset as PlainImageDataset
from kedro_datasets.text import TextDataset as PlainTextDataset

from metagan.errors import UserError
from metagan.files import replaced


class Atomic:
    """Mixed into a dataset behind one local file: saves to a temporary name, then renames."""

    _filepath: PurePosixPath

    def save(self, data: Any) -> None:
        with replaced(Path(self._filepath)) as temporary:
            beside = copy(self)
            beside._filepath = PurePosixPath(temporary)
            super(Atomic, beside).save(data)  # type: ignore[misc]


class Refusing(Atomic):
    """Names the file where its content is damaged."""

    def load(self) -> Any:
        try:
            return super().load()  # type: ignore[misc]
        except DatasetError as error:
            if isinstance(error.__cause__, ValueError):
                raise _damaged(self._filepath, error.__cause__) from error
            raise


class JSONDataset(Refusing, PlainJSONDataset):
    """Plain values as JSON."""


class CSVDataset(Refusing, PlainCSVDataset):
    """A data frame as CSV."""

    def load(self) -> Any:
        if not Path(self._filepath).read_bytes().endswith(b"\n"):
            raise _damaged(self._filepath, "its last line has no end")
        return super().load()


class ImageDataset(Atomic, PlainImageDataset):
    """A picture in the format that the name of its file ends with."""


class TextDataset(Atomic, PlainTextDataset):
    """A text, such as a page of HTML."""


def _damaged(path: PurePosixPath, reason: object) -> UserError:
    return UserError(f"{path}: damaged ({reason}); run the pipeline again that makes it (kedro run makes all)")
