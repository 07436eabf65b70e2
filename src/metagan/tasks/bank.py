"""The task bank: all images of a source as one memory-mapped array, with its classes and their splits."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from tqdm import tqdm

from metagan.parameters import Tasks
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import SPLITS, ClassRecord, Images, Source

FORMAT = 1
REBUILD = "rebuild it with: kedro run --pipeline tasks"


@dataclass(frozen=True)
class TaskBank:
    """Images uint8 (N, C, H, W); class i owns images[offsets[i]:offsets[i + 1]]."""

    images: Images
    offsets: NDArray[np.int64]
    classes: tuple[ClassRecord, ...]
    source: str
    image_size: int
    channels: int
    content_hash: str
    note: str = ""

    @cached_property
    def splits(self) -> dict[str, NDArray[np.int64]]:
        """Class indices of train, val and test."""
        return {
            split: np.array([i for i, record in enumerate(self.classes) if record.split == split], dtype=np.int64)
            for split in SPLITS
        }

    def class_images(self, class_index: int) -> Images:
        """The images of one class, a view (n, C, H, W)."""
        return self.images[self.offsets[class_index] : self.offsets[class_index + 1]]

    def __reduce__(self) -> tuple[object, ...]:
        # A memory map would be pickled as a copy of all its images: another process opens the files instead.
        if isinstance(self.images, np.memmap):
            return open_bank, (Path(self.images.filename).parent,)
        return TaskBank, tuple(getattr(self, field) for field in self.__dataclass_fields__)


@dataclass(frozen=True)
class BankPlan:
    """A source that is ready to be drawn into a bank."""

    source: Source
    workers: int = 0

    def write(self, folder: Path, workers: int | None = None, progress: bool = True) -> TaskBank:
        """Draw all classes into `folder`; the earlier bank stays until the new one is complete."""
        workers = (self.workers if workers is None else workers) or os.cpu_count() or 1
        with _replaced(Path(folder)) as building:
            _write_files(self.source, building, workers, progress)
        return open_bank(folder)


def plan_bank(tasks: Tasks, seed: int, raw_folder: Path) -> BankPlan:
    """Find the classes of `tasks.source` and split them; raw data that is missing is downloaded to `raw_folder`."""
    return BankPlan(SOURCES[tasks.source](tasks, seed, Path(raw_folder)), tasks.workers)


def open_bank(folder: Path) -> TaskBank:
    """Memory-map the bank in `folder`."""
    folder = Path(folder)
    header = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
    images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
    classes = tuple(ClassRecord(**record) for record in header["classes"])
    return TaskBank(images, _offsets(classes), classes, header["source"], header["image_size"], header["channels"],
                    header["content_hash"], header["note"])


def _offsets(classes: Sequence[ClassRecord]) -> NDArray[np.int64]:
    return np.cumsum([0, *(record.n_images for record in classes)], dtype=np.int64)


def _write_files(source: Source, folder: Path, workers: int, progress: bool) -> None:
    offsets = _offsets(source.classes)
    shape = (int(offsets[-1]), source.channels, source.image_size, source.image_size)
    digest = hashlib.sha256()
    with open(folder / "images.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        drawn = Parallel(n_jobs=workers, return_as="generator")(delayed(draw)() for draw in source.drawings)
        for images, record in zip(tqdm(drawn, f"drawing {source.name}", len(source.classes), unit="class", disable=not progress), source.classes, strict=True):
            pixels = np.ascontiguousarray(images).tobytes()
            file.write(pixels)
            digest.update(pixels)
        file.flush()
        os.fsync(file.fileno())
    classes = [asdict(record) for record in source.classes]
    digest.update(offsets.tobytes())
    digest.update(json.dumps(classes).encode())
    header = {"format": FORMAT, "source": source.name, "note": source.note, "image_size": source.image_size,
              "channels": source.channels, "content_hash": digest.hexdigest(), "classes": classes}
    with open(folder / "bank.json", "w", encoding="utf-8") as file:
        json.dump(header, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    building = folder.with_name(f"{folder.name}.building-{os.getpid()}")
    building.mkdir(parents=True)
    try:
        yield building
        if folder.exists():
            shutil.rmtree(folder)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
