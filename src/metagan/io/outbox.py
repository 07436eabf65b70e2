"""What an MLflow server that is away, or a database that is locked, cannot be told is kept on disk, in order, and sent
later."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property, partial
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any, TypeAlias
from urllib.parse import quote

import mlflow
from filelock import BaseFileLock, FileLock, Timeout
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from requests import RequestException

from metagan.files import process_name, replaced
from metagan.io import database, mlflow_version

PASSING = (401, 407, 408, 429)
"""Statuses of a name or password that is wrong for now, a time-out, too many at once."""
SECONDS_BETWEEN_ATTEMPTS = 10.0
SHARE_OF_ATTEMPTS = 0.1
"""The most of a run's time that attempts in vain may take."""
SECONDS_FOR_A_LOCK = 1.0
"""How long an attempt waits for another program that writes the database."""
LONGEST_FOLDER_NAME = 200
GAP = "tracking_gap"
"""Tag of a run whose server or database was away for a while."""

log = logging.getLogger(__name__)
Message = dict[str, Any]
OutboxOf: TypeAlias = "Callable[[str], Outbox]"
seen: dict[str, Any] = {}
"""The runs that this process knows, by their ids: the answer while their server is away."""
_installed_in: Path | None = None


class Outbox:
    """The messages to one server or database: a file of JSON lines for each process, which a later one may deliver.

    A process that has messages holds the lock beside its file; the kernel releases it when the process ends. So no
    two processes, and no two machines that share the folder, send the same messages.
    """

    def __init__(self, folder: Path, server: str) -> None:
        name = quote(server, safe="")
        if len(name) > LONGEST_FOLDER_NAME:
            name = hashlib.sha256(server.encode()).hexdigest()
        self.server, self.folder = server, folder / name
        self.queue = self.folder / f"{process_name()}.jsonl"
        self.is_away, self._next_attempt = False, 0.0
        self._file = database.path_of(server)
        self._name = f"the tracking database {self._file}" if self._file else f"the MLflow server at {server}"
        self._deleted: set[str] = set()
        self._lock = RLock()
        self._owned: BaseFileLock | None = None

    @cached_property
    def place(self) -> Any:
        """Where the messages go."""
        inside = mlflow_version.inside()
        return inside.Database(self.server) if self._file else inside.Server(self.server)

    def send(self, message: Message) -> None:
        """Keep the message, then deliver all that is kept, unless the server was away a moment ago."""
        with self._lock:
            self._own()
            with open(self.queue, "a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(message))  # what a full disk cut off before is a line of its own
            if monotonic() >= self._next_attempt:
                self.deliver()

    def send_file(self, file: Path, artifact_uri: str, artifact_path: str | None) -> None:
        """Send a copy of the file: the original may change before the server is back."""
        copy = self.queue.with_suffix("") / str(monotonic()) / file.name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(file, copy)
        self.send({"file": str(copy), "artifact_uri": artifact_uri, "artifact_path": artifact_path})

    def deliver(self) -> bool:
        """Send what this process and those that are no more have kept; whether nothing is left."""
        with self._lock:
            delivered = all(self._deliver_if_free(queue) for queue in self._queues())
            if self._owned and not self.queue.exists():
                _give_back(self._owned)
                self._owned = None
            return delivered

    def deliver_at_the_end(self) -> None:
        """Try once more, and say what is left for the next run."""
        if not self.deliver():
            kept = sum(len(_lines(queue)) for queue in self._queues())
            log.warning(
                "%s did not come back: %d messages are kept in %s, and the next run sends them",
                self._name, kept, self.folder,
            )  # fmt: skip

    def _queues(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"), key=_modified)

    def _own(self) -> None:
        if self._owned is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A child that was forked for a training uses the name, and the lock, of its parent.
            self._owned = _taken(self.queue)

    def _deliver_if_free(self, queue: Path) -> bool:
        """Leave alone what belongs to another process that lives, or is being delivered by one."""
        if queue == self.queue:
            return self._deliver(queue)
        lock = _taken(queue)
        try:
            return self._deliver(queue) if lock else True
        finally:
            if lock and queue.exists():
                lock.release()
            elif lock:
                _give_back(lock)

    def _deliver(self, queue: Path) -> bool:
        lines = _lines(queue)
        for number, line in enumerate(lines):
            began = monotonic()
            try:
                message = json.loads(line)
                self._post(message)
            except json.JSONDecodeError:
                log.warning("%s: a line is damaged and is not sent: %s", queue, line[:100])
            except (MlflowException, RequestException) as error:
                if is_away(error):
                    with replaced(queue) as temporary:
                        temporary.write_text("\n".join(lines[number:]), encoding="utf-8")
                    self._note_absence(error, monotonic() - began)
                    return False
                self._note_refusal(message, error)
            self._note_presence()
        queue.unlink(missing_ok=True)
        shutil.rmtree(queue.with_suffix(""), ignore_errors=True)
        return True

    def _post(self, message: Message) -> None:
        # MLflow itself would wait for 20 seconds, at every message.
        if self._file and (fault := database.fault_of(self._file, SECONDS_FOR_A_LOCK)):
            raise MlflowException(fault, TEMPORARILY_UNAVAILABLE)
        self.place.tell(message)

    def _note_absence(self, error: MlflowException | RequestException, seconds: float) -> None:
        self._next_attempt = monotonic() + max(SECONDS_BETWEEN_ATTEMPTS, seconds / SHARE_OF_ATTEMPTS)
        if not self.is_away:
            self.is_away = True
            log.warning("%s does not answer; kept for it in %s: %s", self._name, self.folder, error)
            if mlflow.active_run():
                away = "database" if self._file else "server"
                mlflow.set_tag(GAP, f"{datetime.now():%Y-%m-%d %H:%M:%S}: the {away} was away; its messages were late")

    def _note_presence(self) -> None:
        if self.is_away:
            self.is_away, self._next_attempt = False, 0.0
            log.warning("%s answers again", self._name)

    def _note_refusal(self, message: Message, error: MlflowException | RequestException) -> None:
        run = _run_of(message)
        absent = getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST"
        gone = absent or "must be in the 'active' state" in str(error)
        if not gone or run is None:
            log.warning("%s refuses a message: %s", self._name, error)
        elif run not in self._deleted:
            self._deleted.add(run)
            name = f"{seen[run].info.run_name} ({run})" if run in seen else run
            log.warning(
                "the run %s was deleted: what it should be told is lost; the work goes on, and its results are on disk",
                name,
            )


def install(folder: Path) -> OutboxOf | None:
    """From now on this process tells MLflow everything through outboxes in `folder`, one for each store.

    With an MLflow that it does not know it says so, and leaves the tracking as it is.
    """
    global _installed_in
    inside = mlflow_version.inside()
    if inside is None:
        log.warning(
            "MLflow %s is not known here (known: %s): tracking is plain, and a run fails when what tracks it goes away",
            mlflow_version.VERSION, mlflow_version.KNOWN,
        )  # fmt: skip
        return None
    _installed_in = folder
    # Waiting minutes for a server, as MLflow would, is no use when what it should know is kept.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    outbox = cache(partial(Outbox, folder))
    inside.register(outbox)
    return outbox


def installed_in() -> Path | None:
    """The folder of this process's outboxes, if it has any."""
    return _installed_in


def is_away(error: MlflowException | RequestException) -> bool:
    """Whether nobody answered, or something that may answer otherwise later; else the message is refused for good."""
    if isinstance(error, RequestException):
        return error.response is None or _is_passing(error.response.status_code)
    return _is_passing(error.get_http_status_code())


def _is_passing(status: int) -> bool:
    return status >= 500 or status in PASSING


def _taken(queue: Path) -> BaseFileLock | None:
    """The lock of a queue, or None if another process has it."""
    lock = FileLock(queue.with_suffix(".lock"), thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _give_back(lock: BaseFileLock) -> None:
    """Release it, and leave nothing behind."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def _modified(queue: Path) -> float:
    """When, in seconds; 0 if another process has sent it meanwhile."""
    try:
        return queue.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _lines(queue: Path) -> list[str]:
    """The messages of a queue, none if another process has sent them meanwhile."""
    try:
        return [line for line in queue.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        return []


def _run_of(message: Message) -> str | None:
    body = message.get("body")
    return json.loads(body).get("run_id") if isinstance(body, str) else None
