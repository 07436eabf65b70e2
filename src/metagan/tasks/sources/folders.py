"""Folders of files of one kind, known by the ends of their names."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import ClassFolders
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord

logger = logging.getLogger(__name__)


class FoundFiles(NamedTuple):
    """The files of a folder that can be read, by name, and how many others it holds, by what is unfit in them."""

    files: tuple[Path, ...]
    left_out: Counter[str]


class FileKind(NamedTuple):
    """Files with one of these suffixes, in lower case, and what people call them."""

    suffixes: tuple[str, ...]
    name: str

    def files(self, folder: Path) -> FoundFiles:
        """Look through a folder, but not through the folders in it."""
        entries = sorted(folder.iterdir())
        unfit = {entry: reason for entry in entries if (reason := self._unfit(entry))}
        return FoundFiles(tuple(entry for entry in entries if entry not in unfit), Counter(unfit.values()))

    def _unfit(self, entry: Path) -> str | None:
        """What keeps an entry from being read; a broken link is read, to be named as one."""
        if entry.name.startswith("."):
            return "hidden"
        if entry.is_dir():
            return "folders"
        if entry.suffix.lower() not in self.suffixes:
            return shown(entry.suffix.lower()) or "without a suffix"
        return None if entry.is_file() or entry.is_symlink() else "no files"

    def tell_left_out(self, parameter: str, folder: Path, left_out: Counter[str]) -> None:
        """Say how many entries of a folder are not read, and why."""
        if left_out:
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
            logger.warning("%s: left out in %s: %s (%s files are read)", parameter, shown(folder), reasons, self.name)

    def class_folders(self, parameter: str, folder: Path, fewest: int) -> dict[str, tuple[Path, ...]]:
        """The files of each class folder in a folder, by its name; says what is left out.

        Raises UserError for none, and for a class of fewer than `fewest` files.
        """
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if not names:
            raise UserError(f"{parameter}: {shown(folder)} holds no class folders")
        files, left_out = {}, Counter[str]()
        for name in names:
            files[name], of_class = self.files(folder / name)
            left_out += of_class
        beside = sum(not entry.is_dir() for entry in folder.iterdir())
        self.tell_left_out(parameter, folder, left_out + Counter({"beside the class folders": beside}))
        for name, own in files.items():
            if len(own) < fewest:
                raise UserError(
                    f"{parameter}: class folder {shown(folder / name)} holds {len(own)} {self.name} files, "
                    f"but a class needs at least {fewest}"
                )
        return files


def split_folders(
    section: str, settings: ClassFolders, kind: FileKind, seed: int
) -> tuple[dict[str, tuple[Path, ...]], tuple[ClassRecord, ...]]:
    """The files of each class folder in `settings.path` by its name, and the classes, split at random.

    Raises UserError, which names the parameter of the section, for a folder without them, and too few of them.
    """
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise UserError(f"{section}.path: {shown(folder)} is not a folder")
    files = kind.class_folders(f"{section}.path", folder, 2)
    train, val = (round(fraction * len(files)) for fraction in (settings.train_fraction, settings.val_fraction))
    try:
        split_of = splits.at_random(len(files), train, val, seed)
    except UserError as error:
        raise UserError(f"{section}.train_fraction, val_fraction or path: {error}") from error
    group = shown(folder.resolve().name)
    return files, tuple(
        ClassRecord(shown(name), group, split, len(files[name])) for name, split in zip(files, split_of, strict=True)
    )
