"""A lock on a folder that says who holds it, and that the kernel releases when its holder ends, however it ends."""

from __future__ import annotations

import json
import logging
import os
import shlex
import socket
import sys
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from metagan.errors import UserError
from metagan.files import replaced

WAIT = "METAGAN_WAIT"
"""Variable: seconds to wait for another process that writes; without it there is no wait."""

WRITES_ADAPTATION, WRITES_LEADERBOARD = "writes_adaptation", "writes_leaderboard"
"""Tags of nodes that write nothing that another stage reads, and so may run beside one."""

log = logging.getLogger(__name__)


class FolderLock:
    """At most one process at a time holds the lock of a folder; children that it forks hold it with their parent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._holder = folder / ".lock.json"
        self._lock = FileLock(folder / ".lock", thread_local=False)

    def acquire(self) -> None:
        """Take the lock, after the wait that METAGAN_WAIT allows. Raises UserError that says who holds it."""
        wait = seconds_to_wait()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._wait(wait)
        holder = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        }
        with replaced(self._holder) as temporary:
            temporary.write_text(json.dumps(holder), encoding="utf-8")

    def release(self) -> None:
        """Nothing if this process does not hold it."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _wait(self, wait: float) -> None:
        if wait:
            log.warning("%s; waiting for its end, for up to %g s (%s)", self._who(), wait, WAIT)
        try:
            self._lock.acquire(timeout=wait, poll_interval=0.1)
        except Timeout:
            raise UserError(
                f"{self._who()}: nothing was run; wait for its end, or let the command wait by {WAIT}=SECONDS"
            ) from None

    def _who(self) -> str:
        """Who holds the lock, as far as it has said so."""
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return f"another process writes into {self.folder}"
        return (
            f"process {holder['process']} on {holder['host']} writes into {self.folder} since {holder['since']}"
            f" ({holder['command']})"
        )


def seconds_to_wait() -> float:
    """The value of METAGAN_WAIT, 0 without it. Raises UserError unless it is a number of seconds."""
    text = os.environ.get(WAIT, "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UserError(f"{WAIT}: {text!r} is not a number of seconds")
    return seconds
