"""The datasets of kedro-datasets that the catalog uses, writing files that are either whole or absent."""

from __future__ import annotations

from copy import copy
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset as PlainJSONDataset
from kedro_datasets.pandas import CSVDataset as PlainCSVDataset
from kedro_datasets.pillow import ImageDataset as PlainImageDataset
from kedro_datasets.text import TextDataset as PlainTextDataset

from metagan.files import replaced


class Atomic:
    """Mixed into a dataset behind one local file: saves to a temporary name, then renames."""

    _filepath: PurePosixPath

    def save(self, data: Any) -> None:
        with replaced(Path(self._filepath)) as temporary:
            beside = copy(self)
            beside._filepath = PurePosixPath(temporary)
            super(Atomic, beside).save(data)  # type: ignore[misc]


class JSONDataset(Atomic, PlainJSONDataset):
    """Plain values as JSON."""


class CSVDataset(Atomic, PlainCSVDataset):
    """A data frame as CSV."""


class ImageDataset(Atomic, PlainImageDataset):
    """A picture in the format that the name of its file ends with."""


class TextDataset(Atomic, PlainTextDataset):
    """A text, such as a page of HTML."""
