"""Omniglot: 1,623 handwritten characters by 20 drawers each (Lake, Salakhutdinov and Tenenbaum, Science 350, 2015)."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from metagan.errors import UserError
from metagan.files import shown
from metagan.parameters import Tasks
from metagan.parameters.folder import local_path
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source, Split, ink
from metagan.tasks.sources.download import download

OFFICIAL = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
# sha256 over the sorted lines `path NUL sha256(png) LF`: holds for any way of packing the same images.
CONTENT_HASHES = {
    "images_background": "7c563fb7d98dbd312c5e0ccb87230ca9d7e8a13d672e5de6186245e7905ed43e",
    "images_evaluation": "e5a69b751aa33f555bdc92febd48220b69a811b2ff01de32bf4d1bca47bd1809",
}
VAL_CLASSES = 100
FIRST_CHARACTERS = ("character01", "character02", "character03")
LARGEST_ENTRY = 1 << 20
NOTE = "Omniglot, Lake, Salakhutdinov and Tenenbaum 2015, https://github.com/brendenlake/omniglot, MIT licence"


def omniglot(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Every character a class of 20 drawings, ink bright.

    Split `alphabets`: the evaluation alphabets are test; background alphabets in seeded order are val until they hold
    100 characters, the others train. Split `vinyals`: the fixed split of Matching Networks, where a character in each
    of its four quarter turns is a class of its own. Split `first_characters`: the first three of every alphabet are
    test, as in arXiv 2205.10370, and 100 of the others val.
    Raises UserError when the zips cannot be had, or are not Omniglot.
    """
    characters: dict[str, tuple[Path, tuple[str, ...]]] = {}
    background: Counter[str] = Counter()
    for part in CONTENT_HASHES:
        path = _zip(tasks.omniglot.mirror, part, raw_folder / "omniglot")
        members = _verified_members(path, part)
        for character, of_character in groupby(members, key=lambda member: "/".join(member.split("/")[1:3])):
            characters[character] = (path, tuple(of_character))
            if part == "images_background":
                background[_alphabet(character)] += 1

    split_of: Mapping[str, Split]
    turns = 4 if tasks.omniglot.split == "vinyals" else 1
    if tasks.omniglot.split == "vinyals":
        split_of = splits.vinyals()
    elif tasks.omniglot.split == "first_characters":
        split_of = splits.by_name(sorted(characters), FIRST_CHARACTERS, VAL_CLASSES, seed)
    else:
        split_of_alphabet = splits.by_group(background, {"train": 0, "val": VAL_CLASSES}, seed)
        split_of = {character: split_of_alphabet.get(_alphabet(character), "test") for character in characters}

    classes, drawings = [], []
    for character in sorted(characters):
        path, drawn = characters[character]
        for turn in range(turns):
            name = character if turns == 1 else f"{character}/rot{90 * turn:03d}"
            classes.append(ClassRecord(name, _alphabet(character), split_of[character], len(drawn)))
            drawings.append(partial(_draw, path, drawn, tasks.image_size, turn))
    return Source("omniglot", NOTE, ink(tasks.image_size), tuple(classes), tuple(drawings))


def _alphabet(character: str) -> str:
    return character.split("/")[0]


def _zip(mirror: str | None, part: str, folder: Path) -> Path:
    """The zip of one part: in a local mirror, or downloaded into `folder` unless it is there already."""
    name = f"{part}.zip"
    if mirror and not mirror.startswith(("http://", "https://")):
        path = local_path(mirror) / name
        if not path.is_file():
            raise UserError(f"tasks.omniglot.mirror: there is no file {shown(path)}")
        return path
    path = folder / name
    if not path.exists():
        try:
            download(f"{(mirror or OFFICIAL).rstrip('/')}/{name}", path)
        except UserError as error:
            raise UserError(f"{error}; tasks.omniglot.mirror can name a folder that holds {name}") from error
    return path


def _verified_members(path: Path, part: str) -> list[str]:
    """Sorted names of the PNG files of one part. Raises UserError unless they are exactly the official ones."""
    remedy = "delete it, or correct tasks.omniglot.mirror, and run again"
    lines = hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.startswith("/") or ".." in PurePosixPath(entry.filename).parts:
                    raise UserError(f"{path} holds {entry.filename!r}, a name outside of its folder: {remedy}")
                if entry.file_size > LARGEST_ENTRY:
                    raise UserError(f"{path} holds {entry.filename!r} of {entry.file_size} bytes, no drawing: {remedy}")
            members = sorted(
                name for name in archive.namelist() if name.startswith(f"{part}/") and name.endswith(".png")
            )
            for member in members:
                lines.update(f"{member}\0{hashlib.sha256(archive.read(member)).hexdigest()}\n".encode())
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path} is not a whole zip file ({error}): {remedy}") from error
    if lines.hexdigest() != CONTENT_HASHES[part]:
        raise UserError(f"{path} does not hold the official drawings (content hash {lines.hexdigest()}): {remedy}")
    return members


@lru_cache(maxsize=len(CONTENT_HASHES))
def _archive(path: Path, modified: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _draw(path: Path, members: Sequence[str], image_size: int, quarter_turns: int) -> Images:
    archive = _archive(path, path.stat().st_mtime_ns)
    images = []
    for member in members:
        with archive.open(member) as file, Image.open(file, formats=("PNG",)) as picture:
            images.append(np.rot90(_ink(picture, image_size), quarter_turns))
    return np.stack(images)[:, None]


def _ink(picture: Image.Image, image_size: int) -> Images:
    """One drawing, black on white, made small and turned bright on dark.

    Averaging turns strokes thinner than a pixel grey. A gain per drawing makes up for it: the level that three quarters
    of its stroke pixels (at least a quarter as dark as its darkest) stay below becomes white.
    """
    small = picture.convert("L").resize((image_size, image_size), Image.Resampling.BOX)
    ink = 255.0 - np.asarray(small, dtype=np.float32)
    white = np.percentile(ink[ink >= ink.max() / 4], 75)
    return np.clip(ink * (255.0 / max(white, 1.0)), 0, 255).round().astype(np.uint8)
