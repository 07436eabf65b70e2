"""The Free Spoken Digit Dataset: the digits 0 to 9, each said 50 times by 6 speakers (Jackson et al. 2018)."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from metagan.domains.sound import Sound
from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Tasks
from metagan.parameters.folder import local_path
from metagan.tasks import splits
from metagan.tasks.sources.audio_files import of_recordings, read_sound
from metagan.tasks.sources.base import ClassRecord, Source
from metagan.tasks.sources.download import download

COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
OFFICIAL = f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.zip"
ARCHIVE = "recordings.zip"
# sha256 over the sorted lines `name NUL sha256(wav) LF`: holds for any way of packing the same recordings.
CONTENT_HASH = "99aa5e3a7c822ab55b2a3b47e0b05aeb9f011c54837a12e3831ad24108330829"
MEMBER = re.compile(r"(?:[^/]+/)*(?P<name>(?P<digit>\d)_(?P<speaker>[a-z]+)_\d+\.wav)")
LARGEST_ENTRY = 1 << 20
NOTE = "Free Spoken Digit Dataset, https://github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0"


def spoken_digits(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """A class is a digit of a speaker, `speaker/digit`, of 50 recordings.

    Split `digits`: six digits of all speakers are train, one is val, three are test. Split `speakers`: all digits of
    three speakers are train, of one val, of two test. Raises UserError when the recordings cannot be had or are others.
    """
    path = _zip(tasks.spoken_digits.mirror, raw_folder / "spoken_digits")
    takes: dict[tuple[str, str], list[str]] = {}
    for member in _verified_members(path):
        takes.setdefault((member["speaker"], member["digit"]), []).append(member[0])
    by_digit = tasks.spoken_digits.split == "digits"
    groups = sorted({key[by_digit] for key in takes})
    train, val = (6, 1) if by_digit else (3, 1)
    split_of = dict(zip(groups, splits.at_random(len(groups), train, val, seed), strict=True))
    classes = tuple(
        ClassRecord("/".join(key), key[by_digit], split_of[key[by_digit]], len(takes[key])) for key in sorted(takes)
    )
    recordings = tuple(partial(_recorded, path, takes[key]) for key in sorted(takes))
    return of_recordings("spoken_digits", NOTE, classes, recordings, tasks.image_size)


def _zip(mirror: str | None, folder: Path) -> Path:
    """The zip in a local mirror, or downloaded into `folder` unless it is there already."""
    if mirror and not mirror.startswith(("http://", "https://")):
        path = local_path(mirror) / ARCHIVE
        if not path.is_file():
            raise UserError(f"tasks.spoken_digits.mirror: there is no file {shown(path)}")
        return path
    path = folder / ARCHIVE
    if not path.exists():
        try:
            download(f"{mirror.rstrip('/')}/{ARCHIVE}" if mirror else OFFICIAL, path)
        except UserError as error:
            raise UserError(f"{error}; tasks.spoken_digits.mirror can name a folder that holds {ARCHIVE}") from error
    return path


def _verified_members(path: Path) -> list[re.Match[str]]:
    """The recordings by name. Raises UserError unless they are exactly the official ones."""
    remedy = "delete it, or correct tasks.spoken_digits.mirror, and run again"
    lines = hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            found = [match for entry in archive.namelist() if (match := MEMBER.fullmatch(entry))]
            members = sorted(found, key=lambda member: member["name"])
            for member in members:
                if (size := archive.getinfo(member[0]).file_size) > LARGEST_ENTRY:
                    raise UserError(f"{path} holds {member[0]!r} of {size} bytes, no spoken digit: {remedy}")
                lines.update(f"{member['name']}\0{hashlib.sha256(archive.read(member[0])).hexdigest()}\n".encode())
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path} is not a whole zip file ({error}): {remedy}") from error
    if lines.hexdigest() != CONTENT_HASH:
        raise UserError(f"{path} does not hold the official recordings (content hash {lines.hexdigest()}): {remedy}")
    return members


def _recorded(path: Path, members: Sequence[str]) -> list[Sound]:
    with zipfile.ZipFile(path) as archive:
        return [read_sound(io.BytesIO(archive.read(member))) for member in members]
