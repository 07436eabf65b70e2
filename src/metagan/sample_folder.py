"""The folder of samples that `augment` writes: where it may be, and the table that says where each sample is from."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from metagan.errors import UserError
from metagan.files import replaced_folder, shown

TABLE = "samples.csv"
COLUMNS = ("file", "class", "sources", "model", "seed", "step", "near_copy")
"""`sources` is a JSON list of the pictures that the sample's generator was adapted to."""
OVERHEAD = 4096
"""Bytes on the disk that a picture may take beside its pixels, with its line in the table."""


def check_output(output: Path, images: Path) -> None:
    """Raise UserError unless `output` can be written without touching `images`, or what `augment` has not written."""
    target, source = output.resolve(), images.resolve()
    if target == source:
        raise UserError(f"augment.output: {shown(output)} is augment.images: name another folder")
    for inner, outer, name in ((target, source, "augment.images"), (source, target, "augment.output")):
        if inner.is_relative_to(outer):
            raise UserError(
                f"augment.output: {shown(output)} and augment.images, {shown(images)}, must lie apart, but one is "
                f"inside {name}"
            )
    if output.exists() and not output.is_dir():
        raise UserError(f"augment.output: {shown(output)} is not a folder")
    if foreign := _foreign(output):
        raise UserError(
            f"augment.output: {shown(output)} holds {foreign}, which augment has not written: name another folder"
        )
    if not os.access(existing := _existing(target.parent), os.W_OK | os.X_OK, effective_ids=True):
        raise UserError(f"augment.output: {shown(existing)} cannot be written")


@contextmanager
def writing(output: Path) -> Iterator[tuple[Path, csv.DictWriter[str]]]:
    """A folder to write class folders into, and its table: they take the place of `output` when the block ends well."""
    with ExitStack() as stack:
        folder = stack.enter_context(replaced_folder(output, "the samples"))
        table = csv.DictWriter(stack.enter_context(open(folder / TABLE, "w", encoding="utf-8", newline="")), COLUMNS)
        table.writeheader()
        yield folder, table


def check_space(output: Path, pixels: int, pictures: int) -> str:
    """What the disk must hold for so many pictures of so many bytes of pixels in all, beside what is free.

    Raises UserError when that is more.
    """
    needed, free = pixels + OVERHEAD * pictures, shutil.disk_usage(_existing(output.resolve())).free
    told = f"{pictures:,} pictures may take {_size(needed)}; {_size(free)} are free where {shown(output)} is"
    if needed > free:
        raise UserError(f"augment.samples: {told}: ask for fewer, or name an augment.output on another disk")
    return told


def _foreign(output: Path) -> str | None:
    """A file below `output` that its table does not list."""
    listed = {TABLE, *_listed(output / TABLE)}
    for path in _files(output):
        if (name := shown(path.relative_to(output))) not in listed:
            return name
    return None


def _listed(table: Path) -> set[str]:
    try:
        with open(table, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return {row["file"] for row in rows} if tuple(rows.fieldnames or ()) == COLUMNS else set()
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()


def _files(folder: Path) -> Iterator[Path]:
    """All that is not a plain folder; links are not followed."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in files)
        yield from (Path(place, name) for name in folders if Path(place, name).is_symlink())


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
