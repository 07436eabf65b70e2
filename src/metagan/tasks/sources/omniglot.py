"""Omniglot: 1,623 characters by 20 drawers (Lake, Salakhutdinov and Tenenbaum, Science 350, 2015)."""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter, defaultdict
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from metagan.parameters import Tasks
from metagan.tasks import splits
from metagan.tasks.sources.base import ClassRecord, Images, Source

VAL_CLASSES = 100


@lru_cache
def _archive(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _ink(picture: Image.Image, image_size: int) -> Images:
    small = picture.convert("L").resize((image_size, image_size), Image.Resampling.BOX)
    ink = 255.0 - np.asarray(small, dtype=np.float32)
    strokes = ink[ink > 64]
    gain = 255.0 / np.percentile(strokes, 75)
    return np.clip(ink * gain, 0, 255).round().astype(np.uint8)


def _draw(path: Path, members: tuple[str, ...], image_size: int, quarter_turns: int) -> Images:
    images = []
    for member in members:
        with _archive(path).open(member) as file, Image.open(file) as picture:
            images.append(np.rot90(_ink(picture, image_size), quarter_turns))
    return np.stack(images)[:, None]


def omniglot_source(tasks: Tasks, seed: int, raw_folder: Path) -> Source:
    """Omniglot by alphabets or by the split of Vinyals et al. (2016)."""
    folder = Path(tasks.omniglot.mirror)
    members: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    for part in ("images_background", "images_evaluation"):
        for member in sorted(_archive(folder / f"{part}.zip").namelist()):
            if member.endswith(".png"):
                _, alphabet, character, _ = member.split("/")
                members[folder / f"{part}.zip", alphabet, character].append(member)
    background = Counter(a for path, a, _ in members if "background" in path.name)
    split_of = splits.by_group(background, {"train": 0, "val": VAL_CLASSES}, seed)
    classes, drawings = [], []
    for (path, alphabet, character), files in sorted(members.items()):
        split = split_of.get(alphabet, "test") if "background" in path.name else "test"
        classes.append(ClassRecord(f"{alphabet}/{character}", alphabet, split, len(files)))
        drawings.append(partial(_draw, path, tuple(files), tasks.image_size, 0))
    return Source("omniglot", "MIT", tasks.image_size, 1, tuple(classes), tuple(drawings))
