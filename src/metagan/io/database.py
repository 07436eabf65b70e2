"""The file of the embedded tracking database: made whole, and looked at before anything is asked of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from metagan.errors import UserError
from metagan.files import replaced
from metagan.io import mlflow_version

SCHEME = "sqlite:///"
VERSION_TAG = "mlflow_version"
"""Tag of a run: the MLflow that has recorded it."""
SECONDS_TO_MAKE = 300.0
SECONDS_AT_START = 5.0
"""How long another program may write before a run is refused."""


def path_of(uri: str) -> Path | None:
    """The file of a tracking URI, None where it is not the embedded database."""
    return Path(uri.removeprefix(SCHEME)) if uri.startswith(SCHEME) else None


@contextmanager
def opened(path: Path) -> Iterator[None]:
    """The database is there, whole, and may be written; nobody else makes or opens it meanwhile.

    Raises UserError that says in one line what is wrong with it, and what to do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=SECONDS_TO_MAKE):
            if path.exists():
                _refuse_if_faulty(path)
            elif inside := mlflow_version.inside():
                with replaced(path) as temporary:
                    inside.make_database(f"{SCHEME}{temporary}")
            yield
    except Timeout:
        raise UserError(f"{path}: another process has been opening it for {SECONDS_TO_MAKE:g} s") from None


def _refuse_if_faulty(path: Path) -> None:
    fault = fault_of(path, SECONDS_AT_START)
    if fault is None and (inside := mlflow_version.inside()):
        fault = schema_fault_of(path, *inside.schemas())
    if fault:
        raise UserError(f"{fault}; nothing was run")


def fault_of(path: Path, patience: float) -> str | None:
    """Why the file cannot be written, after `patience` seconds where it is locked; None if it can."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=patience)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return f"{path} is locked by {_writers(path)}: close it, or let it commit"
        if "readonly" in str(error) or not os.access(path, os.W_OK):
            return f"{path} is read-only: let this user write it (chmod u+w), or choose another (MLFLOW_TRACKING_URI)"
        return f"{path} cannot be opened ({error})"
    except sqlite3.DatabaseError as error:
        return _damaged(path, error)
    if not os.access(path.parent, os.W_OK):
        return f"{path.parent} is read-only, and {path.name} needs to write beside itself: let this user write there"
    return _damaged(path, "it was cut off") if _is_cut(path) else None


def schema_fault_of(path: Path, known: Collection[str], newest: str) -> str | None:
    """What to do where another version of MLflow has made the tables; None where it was this one.

    This version knows the revisions `known` of the tables, and needs the `newest`.
    """
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None  # MLflow fills an empty file
        if "alembic_version" not in tables:
            return f"{path} is no database of MLflow: move it away, and a new one is made"
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
        if found == newest:
            return None
        if found in known:
            return (
                f"{path} was made by an older MLflow (its schema is {found}, not {newest}): back it up"
                f" (cp '{path}' '{path}.backup'), then upgrade it: mlflow db upgrade '{SCHEME}{path}'"
            )
        maker = connection.execute(
            "SELECT value FROM tags JOIN runs USING (run_uuid) WHERE key = ? ORDER BY start_time DESC LIMIT 1",
            (VERSION_TAG,),
        ).fetchone()
    return (
        f"{path} was made by a newer MLflow{f', {maker[0]}' if maker else ''} (its schema {found} is unknown to"
        f" {mlflow_version.VERSION}): install that version of mlflow, or move the file away, and a new one is made"
    )


def _damaged(path: Path, reason: object) -> str:
    return f"{path} is damaged ({reason}): move it away (mv '{path}' '{path}.damaged'), and a new one is made"


def _is_cut(path: Path) -> bool:
    """Whether the file is shorter than its header says (https://sqlite.org/fileformat.html, 1.3)."""
    with open(path, "rb") as file:
        header = file.read(100)
    if not header:
        return False
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    is_known = header[24:28] == header[92:96]
    return is_known and path.stat().st_size < pages * (65536 if page == 1 else page)


def _writers(path: Path) -> str:
    """The other processes that hold a write lock of the file, where the kernel tells."""
    inode = path.stat().st_ino
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    held = (line.split() for line in lines if " WRITE " in line)
    processes = {int(words[-4]) for words in held if words[-3].endswith(f":{inode}")} - {os.getpid()}
    names = [f"process {number} ({_name(number)})" for number in sorted(processes) if number > 0]
    return " and ".join(names) or "another program"


def _name(process: int) -> str:
    try:
        return psutil.Process(process).name()
    except psutil.Error:
        return "unknown"
