"""What an MLflow server that is away cannot be told is kept on disk, in order, and sent when it is back."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from threading import RLock
from time import monotonic
from typing import Any, TypeAlias
from urllib.parse import quote

import mlflow
import psutil
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service import utils as tracking_service
from mlflow.utils.credentials import get_default_host_creds
from requests import RequestException

from metagan.files import replaced

WRITES = ("LogBatch", "LogMetric", "LogParam", "SetTag", "LogInputs", "UpdateRun")
PASSING = (401, 407, 408, 429)
"""Statuses of a name or password that is wrong for now, a time-out, too many at once."""
SECONDS_BETWEEN_ATTEMPTS = 10.0
GAP = "tracking_gap"
"""Tag of a run whose server was away for a while."""

log = logging.getLogger(__name__)
Message = dict[str, Any]
OutboxOf: TypeAlias = "Callable[[str], Outbox]"
seen: dict[str, service_pb2.Run] = {}
"""The runs that this process knows, by their ids: the answer while their server is away."""
_installed_in: Path | None = None


class Outbox:
    """The messages to one server: a file of JSON lines for each process, which a later process may deliver."""

    def __init__(self, folder: Path, server: str) -> None:
        self.server, self.folder = server, folder / quote(server, safe="")
        self.queue = self.folder / f"{os.getpid()}.jsonl"
        self._store = RestStore(partial(get_default_host_creds, server))
        self._is_away, self._next_attempt = False, 0.0
        self._lock = RLock()

    def send(self, message: Message) -> None:
        """Keep the message, then deliver all that is kept, unless the server was away a moment ago."""
        with self._lock:
            self.folder.mkdir(parents=True, exist_ok=True)
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
            return all(self._deliver(queue) for queue in self._queues())

    def deliver_at_the_end(self) -> None:
        """Try once more, and say what is left for the next run."""
        if not self.deliver():
            kept = sum(len(_lines(queue)) for queue in self._queues())
            log.warning(
                "the MLflow server at %s did not come back: %d messages are kept in %s, and the next run sends them",
                self.server, kept, self.folder,
            )  # fmt: skip

    def _queues(self) -> list[Path]:
        queues = sorted(self.folder.glob("*.jsonl"), key=_modified)
        return [queue for queue in queues if queue == self.queue or not psutil.pid_exists(int(queue.stem))]

    def _deliver(self, queue: Path) -> bool:
        lines = _lines(queue)
        for number, line in enumerate(lines):
            try:
                self._post(json.loads(line))
            except json.JSONDecodeError:
                log.warning("%s: a line is damaged and is not sent: %s", queue, line[:100])
            except (MlflowException, RequestException) as error:
                if is_away(error):
                    with replaced(queue) as temporary:
                        temporary.write_text("\n".join(lines[number:]), encoding="utf-8")
                    self._note_absence(error)
                    return False
                log.warning("the MLflow server at %s refuses a message: %s", self.server, error)
            self._note_presence()
        queue.unlink(missing_ok=True)
        shutil.rmtree(queue.with_suffix(""), ignore_errors=True)
        return True

    def _post(self, message: Message) -> None:
        if "file" in message:
            repository = MlflowArtifactsRepository(message["artifact_uri"], self.server)
            repository.log_artifact(message["file"], message["artifact_path"])
        else:
            self._store._call_endpoint(getattr(service_pb2, message["call"]), message["body"])

    def _note_absence(self, error: MlflowException | RequestException) -> None:
        self._next_attempt = monotonic() + SECONDS_BETWEEN_ATTEMPTS
        if not self._is_away:
            self._is_away = True
            log.warning(
                "the MLflow server at %s does not answer; kept for it in %s: %s", self.server, self.folder, error
            )
            if mlflow.active_run():
                mlflow.set_tag(GAP, f"{datetime.now():%Y-%m-%d %H:%M:%S}: the server was away; its messages were late")

    def _note_presence(self) -> None:
        if self._is_away:
            self._is_away, self._next_attempt = False, 0.0
            log.warning("the MLflow server at %s answers again", self.server)


class PatientStore(RestStore):
    """Writes through an outbox, and answers for the runs that were seen while the server is away."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(partial(get_default_host_creds, outbox.server))
        self._outbox = outbox

    def _call_endpoint(self, api: Any, json_body: str | None = None, *rest: Any, **named: Any) -> Any:
        call = api.DESCRIPTOR.name
        if call in WRITES:
            self._outbox.send({"call": call, "body": json_body})
            return api.Response()
        try:
            response = super()._call_endpoint(api, json_body, *rest, **named)
        except MlflowException as error:
            known = seen.get(json.loads(json_body)["run_id"]) if call == "GetRun" and json_body else None
            if known is None or not is_away(error):
                raise
            return api.Response(run=known)
        if call in ("GetRun", "CreateRun"):
            seen[response.run.info.run_id] = response.run
        return response


class PatientArtifacts(MlflowArtifactsRepository):
    """Uploads through an outbox."""

    def __init__(
        self,
        outbox: OutboxOf,
        artifact_uri: str,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._outbox, self._artifact_uri = outbox(self.tracking_uri), artifact_uri

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self._outbox.send_file(Path(local_file), self._artifact_uri, artifact_path)


def install(folder: Path) -> OutboxOf:
    """From now on this process tells MLflow servers everything through outboxes in `folder`, one for each server."""
    global _installed_in
    _installed_in = folder
    # Waiting minutes for a server, as MLflow would, is no use when what it should know is kept.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    outbox = cache(partial(Outbox, folder))
    for scheme in ("http", "https"):
        tracking_service._register(scheme, lambda store_uri, **_: PatientStore(outbox(store_uri)))
    _artifact_repository_registry.register("mlflow-artifacts", partial(PatientArtifacts, outbox))
    return outbox


def installed_in() -> Path | None:
    """The folder of this process's outboxes, if it has any."""
    return _installed_in


def is_away(error: MlflowException | RequestException) -> bool:
    """Whether nobody answered, or something that may answer otherwise later; else the server refuses for good."""
    if isinstance(error, RequestException):
        return error.response is None or _is_passing(error.response.status_code)
    return _is_passing(error.get_http_status_code())


def _is_passing(status: int) -> bool:
    return status >= 500 or status in PASSING


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
