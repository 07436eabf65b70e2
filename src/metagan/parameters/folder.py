"""Folders as people name them: any name that the file system takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import BeforeValidator, Strict

LOCAL = "file://"


def local_path(text: str) -> Path:
    """The path behind a name, whose `~` is expanded, or behind a file:// URL."""
    if text.startswith(LOCAL):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(text).path)))
    return Path(os.path.expanduser(text))


def _path_text(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f"is no text: write ./{value} for a folder of that name")
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("must be the name of a file or folder")
    return value


def _path(value: object) -> object:
    return local_path(value) if isinstance(value, str) else value


PathText = BeforeValidator(_path_text)
Folder = Annotated[Path, Strict(False), BeforeValidator(_path), PathText]  # YAML has text
