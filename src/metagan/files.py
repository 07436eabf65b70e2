"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import glob
import io
import os
import shutil
import socket
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SECONDS_OF_A_STRANGER = 24 * 3600.0
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and ends of lines and paragraphs."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def shown(path: Path | str) -> str:
    """The name on one line and in UTF-8: what the file system takes but nobody can print is escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        letter.encode("unicode_escape").decode() if unicodedata.category(letter) in UNPRINTABLE else letter
        for letter in text
    )


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what is written there takes the place of `path` when the block ends well.

    Raises OSError that names `path` when the disk is full; what was there before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{process_name()}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(error, path, "cannot write") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(folder: Path, what: str) -> Iterator[Path]:
    """An empty folder beside `folder` that takes its place when the block ends well, and vanishes when it does not.

    Raises OSError that names `folder` and `what` is in it when the disk is full.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = f"{folder.name}.building-"
    for leftover in folder.parent.glob(f"{glob.escape(building)}*"):
        if is_abandoned(leftover.name.removeprefix(building), leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    scaffold = folder.with_name(f"{building}{process_name()}")
    shutil.rmtree(scaffold, ignore_errors=True)
    (scaffold / "new").mkdir(parents=True)
    try:
        yield scaffold / "new"
        if folder.exists():
            folder.rename(scaffold / "old")
        (scaffold / "new").rename(folder)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(error, folder, f"cannot write {what}") from error
    finally:
        shutil.rmtree(scaffold, ignore_errors=True)


def _full(error: OSError, path: Path, consequence: str) -> OSError:
    """The same error of a full disk, with what is free on it and what that means for `path`."""
    free = shutil.disk_usage(path.parent).free >> 20
    return OSError(error.errno, f"{error.strerror} ({free} MiB free), {consequence}", str(path))


def save_tensors(content: object, path: Path) -> None:
    """`torch.save` by way of memory: its own errors do not say that the disk is full."""
    import torch  # takes seconds, and who writes text or takes a lock can do without

    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(buffer.getbuffer())


def process_name() -> str:
    """A name of this process that no other has, on this machine or on another that shares its folders."""
    return f"{os.getpid()}@{socket.gethostname()}"


def is_abandoned(name: str, path: Path) -> bool:
    """Whether the process that was named so when it began to write `path` is no more.

    Of one on another machine nothing is known: it has a day.
    """
    process, _, host = name.partition("@")
    if not process.isdecimal():
        return False
    if host == socket.gethostname():
        return not psutil.pid_exists(int(process))
    try:
        return time.time() - path.stat().st_mtime > SECONDS_OF_A_STRANGER
    except FileNotFoundError:
        return False


def _remove_leftovers(path: Path) -> None:
    """What processes that were killed while they wrote `path` have left."""
    for leftover in path.parent.glob(f".*.{glob.escape(path.name)}"):
        if is_abandoned(leftover.name[1:].removesuffix(f".{path.name}"), leftover):
            leftover.unlink(missing_ok=True)
