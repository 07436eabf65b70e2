"""The task bank: all images of a source as one memory-mapped array, with its classes and their splits.

A bank is a folder of two files: `images.npy`, (N, *shape) in class order, and `bank.json`, what an example is and the
class table.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from tqdm import tqdm

from metagan.domains import Domain, domain_of, stored_example
from metagan.errors import UserError
from metagan.files import replaced_folder
from metagan.parameters import Example, StoredExample, Tasks, valid_section
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import SPLITS, ClassRecord, Images, Source, with_train_classes

FORMAT = 2
BUILD = "kedro run --pipelines tasks"
ClassIndices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class TaskBank:
    """Images (N, *shape), as `example` says; class i owns images[offsets[i]:offsets[i + 1]].

    `content_hash` is the sha256 over pixels, offsets and class table; `note` says where the images come from.
    """

    images: Images
    offsets: NDArray[np.int64]
    classes: tuple[ClassRecord, ...]
    source: str
    example: StoredExample
    content_hash: str
    note: str = ""

    @property
    def domain(self) -> Domain:
        """What its examples can do."""
        return domain_of(self.example)

    @property
    def identity(self) -> dict[str, str]:
        """Its content hash, by the name that it goes by."""
        return {"task_bank": self.content_hash}

    @cached_property
    def splits(self) -> dict[str, ClassIndices]:
        """Class indices of train, val and test."""
        return {
            split: np.array([i for i, record in enumerate(self.classes) if record.split == split], dtype=np.int64)
            for split in SPLITS
        }

    def places(self, split: str) -> NDArray[np.int64]:
        """Where the images of a split's classes stand in `images`."""
        return np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in self.splits[split]])

    def class_images(self, class_index: int) -> Images:
        """The images of one class, a view (n, *shape)."""
        return self.images[self.offsets[class_index] : self.offsets[class_index + 1]]

    def check_tasks(self, section: str, splits: Sequence[str], k_shot: int, n_query: int) -> None:
        """Raises UserError unless the splits have two classes or more, each with the images that a task takes."""
        sizes = np.diff(self.offsets)
        for split in splits:
            if len(self.splits[split]) < 2:
                raise UserError(
                    f"{section}: the {split} split of {self.source} has too few classes, {len(self.splits[split])}: "
                    "one is told from others, so it needs at least 2"
                )
            smallest = min(self.splits[split], key=lambda index: sizes[index])
            if k_shot + n_query > sizes[smallest]:
                raise UserError(
                    f"{section}.k_shot + {section}.n_query = {k_shot} + {n_query}, but the {split} class "
                    f"{self.classes[smallest].name!r} has {sizes[smallest]} {self.domain.names.many}: lower them, or "
                    "leave the class out"
                )

    def check_example(self, network: str, trained_on: Example, remedy: str) -> None:
        """Raises UserError, with the remedy, when a network was trained on another domain or shape."""
        own, found = (f"domain {it.domain} and shape {it.shape}" for it in (trained_on, self.example))
        if own != found:
            raise UserError(f"{network}: trained on examples of {own}, but the task bank has {found}; {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        # A memory map would be pickled as a copy of all its images: the other process maps the files itself.
        if isinstance(self.images, np.memmap):
            return open_bank, (Path(str(self.images.filename)).parent,)
        return TaskBank, tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class BankPlan:
    """A source whose classes are known and split, ready to be drawn by `workers` processes (0: one per core)."""

    source: Source
    workers: int = 0

    def write(self, folder: Path, progress: bool = True) -> TaskBank:
        """Draw all classes into `folder`, class by class, so that a bank may be larger than memory.

        An earlier bank there stays whole until the new one takes its place. The images do not depend on `workers`.
        Raises OSError when the disk is full.
        """
        folder = Path(folder)
        with replaced_folder(folder, "the task bank") as building:
            _write_files(self.source, building, self.workers or cpu_count(), progress)
        return open_bank(folder)


def plan_bank(tasks: Tasks, seed: int, raw_folder: Path) -> BankPlan:
    """Find and split the classes of `tasks.source`; raw data that is not there yet is downloaded to `raw_folder`.

    Raises UserError for more `tasks.train_classes` than there are.
    """
    source = SOURCES[tasks.source](tasks, seed, Path(raw_folder))
    if tasks.train_classes:
        source = with_train_classes(source, tasks.train_classes, seed)
    return BankPlan(source, tasks.workers)


def open_bank(folder: Path) -> TaskBank:
    """Map the bank in `folder` into memory. Raises UserError without a bank, and for a damaged one."""
    folder = Path(folder)
    if not (folder / "bank.json").is_file():
        raise UserError(f"there is no task bank in {folder}: build it with {BUILD}")
    try:
        header = json.loads((folder / "bank.json").read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}, not {FORMAT}")
        classes = tuple(ClassRecord(**record) for record in header["classes"])
        offsets = _offsets(classes)
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        example = valid_section("example", StoredExample, header["example"])
        if example != stored_example(example.domain, example.shape, example.on_paper):
            raise ValueError(f"its examples are not those of the domain {example.domain}")
        shape = (int(offsets[-1]), *example.shape)
        if images.dtype != example.dtype or images.shape != shape:
            raise ValueError(f"images.npy is {images.dtype} {images.shape}, not {example.dtype} {shape}")
        if (folder / "images.npy").stat().st_size != images.offset + images.nbytes:
            raise ValueError("images.npy has bytes after its last image")
        return TaskBank(
            images=images,
            offsets=offsets,
            classes=classes,
            source=header["source"],
            example=example,
            content_hash=header["content_hash"],
            note=header["note"],
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"the task bank in {folder} is damaged ({error}): rebuild it with {BUILD}") from error


def _offsets(classes: Sequence[ClassRecord]) -> NDArray[np.int64]:
    return np.cumsum([0, *(record.n_images for record in classes)], dtype=np.int64)


def _write_files(source: Source, folder: Path, workers: int, progress: bool) -> None:
    offsets = _offsets(source.classes)
    classes = [asdict(record) for record in source.classes]
    shape, dtype = source.example.shape, np.dtype(source.example.dtype)
    digest = hashlib.sha256()
    # Plain writes, not a writable memory map: on a full disk a map kills the process, a write raises an error.
    with _durable(folder / "images.npy") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (int(offsets[-1]), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        drawn = Parallel(n_jobs=workers, return_as="generator")(delayed(drawing)() for drawing in source.drawings)
        bar = tqdm(source.classes, desc=f"{source.name}: drawing", unit="class", disable=not progress)
        for record, images in zip(bar, drawn, strict=True):
            if images.dtype != dtype or images.shape != (record.n_images, *shape):
                raise ValueError(f"class {record.name!r} was drawn as {images.dtype} {images.shape}")
            pixels = images.tobytes()
            file.write(pixels)
            digest.update(pixels)
    digest.update(offsets.tobytes())
    digest.update(json.dumps(classes).encode())
    table = {
        "format": FORMAT,
        "source": source.name,
        "note": source.note,
        "example": source.example.model_dump(mode="json"),
        "content_hash": digest.hexdigest(),
        "classes": classes,
    }
    with _durable(folder / "bank.json") as file:
        file.write(json.dumps(table, indent=1).encode())


@contextmanager
def _durable(path: Path) -> Iterator[BinaryIO]:
    with open(path, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
