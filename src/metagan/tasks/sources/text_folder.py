"""Any folder of text files, a file a class and a line an example."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from metagan.domains import stored_example
from metagan.domains.spelling import LONGEST, encoded
from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.text_files import TEXTS, read_lines


def text_folder(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Each text file in `tasks.text_folder.path` a class; a random class split.

    Lines are read as `read_lines` says. Raises UserError for a folder without text files, a file of fewer than two
    lines, and too few of them.
    """
    settings, name = tasks.text_folder, "tasks.text_folder"
    folder = Path(settings.path or "")
    if not folder.is_dir():
        raise UserError(f"{name}.path: {shown(folder)} is not a folder")
    files, left_out = TEXTS.files(folder)
    TEXTS.tell_left_out(f"{name}.path", folder, left_out)
    if not files:
        raise UserError(f"{name}.path: {shown(folder)} holds no {TEXTS.name} files")
    lines = {file.stem: read_lines(file, fewest=2) for file in files}
    train, val = (round(fraction * len(lines)) for fraction in (settings.train_fraction, settings.val_fraction))
    try:
        split_of = splits.at_random(len(lines), train, val, seed)
    except UserError as error:
        raise UserError(f"{name}.train_fraction, val_fraction or path: {error}") from error
    group = shown(folder.resolve().name)
    classes = tuple(
        ClassRecord(shown(stem), group, split, len(own))
        for (stem, own), split in zip(lines.items(), split_of, strict=True)
    )
    drawings = tuple(partial(encoded, own) for own in lines.values())
    return Source("text_folder", f"lines of {group}", stored_example("text", (LONGEST,)), classes, drawings)
