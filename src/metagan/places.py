"""Where a run is: who runs it, and what may be read and written there."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Augment, RunSettings
from metagan.sample_folder import check_output


def name_user() -> None:
    """A user of whom the system knows a number alone, as in a container, gets a name, and / as home like in Docker.

    MLflow asks for both when it is imported and when a run starts.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("HOME", "/")
        os.environ.setdefault("USER", f"user-{os.getuid()}")


def check_inputs(parameters: RunSettings, pipelines: set[str]) -> None:
    """Raise UserError for what these pipelines would read and cannot, before anything is started."""
    if "adapt" in pipelines and parameters.adapt.images:
        check_readable("adapt.images", parameters.adapt.images)
    if "adapt_speech" in pipelines and parameters.adapt.audio:
        check_readable("adapt.audio", parameters.adapt.audio)
    if "adapt_text" in pipelines and (text := parameters.adapt.text) and not text.is_file():
        raise UserError(f"adapt.text: {shown(text)} is not a file")
    if "augment" in pipelines:
        check_augment(parameters.augment)
    if "one_shot" in pipelines:
        parameters.one_shot.check_tasks(parameters.tasks)
    if pipelines & {"__default__", "tasks"} and (class_folders := parameters.tasks.class_folders):
        name = f"tasks.{parameters.tasks.source}.path"
        assert class_folders.path is not None  # the schema asks for one
        for path in check_readable(name, class_folders.path):
            if path.is_dir():
                check_readable(name, path)


def check_augment(settings: Augment, output: Path | None = None) -> None:
    """Raise UserError for class folders that cannot be read, and for an `output` that must not be written."""
    folder, output = settings.images, settings.output or output
    if folder is None:
        raise UserError(
            "augment.images: must name a folder of class folders, as in kedro run --pipelines augment --params "
            "augment.images=DIR"
        )
    classes = [path for path in check_readable("augment.images", folder) if path.is_dir()]
    if not classes:
        raise UserError(f"augment.images: {shown(folder)} holds no class folders")
    for path in classes:
        check_readable("augment.images", path)
    if output:
        check_output(output, folder)


def check_readable(name: str, folder: Path) -> list[Path]:
    """What is in a folder. Raises UserError, which starts with the name of the parameter, where nobody can tell."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{name}: {shown(folder)} is not a folder") from None
    except OSError as error:
        raise UserError(f"{name}: {shown(folder)} cannot be read ({error.strerror}) by {_user()}") from None


def check_writable(data: Path) -> None:
    """Raise UserError for the first folder of `data` in which this user may not write."""
    for folder in _folders(data):
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise UserError(
                f"{folder}: {_user()} may not write there; run in a copy of the project of your own, or as its owner"
            )


def _folders(data: Path) -> Iterator[Path]:
    if data.is_dir():
        yield data
        yield from (folder for folder in sorted(data.iterdir()) if folder.is_dir())


def _user() -> str:
    return f"user {os.environ.get('USER') or os.getuid()}"
