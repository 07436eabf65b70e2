"""All that metagan takes from inside MLflow, which a new version may change without notice. Others import this file
only after `outbox.knows_mlflow`."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import mlflow.store.db.utils as database
import sqlalchemy
from alembic.script import ScriptDirectory
from mlflow.entities import DatasetInput, LoggedModelInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking import fluent
from mlflow.tracking._tracking_service import utils as tracking_service
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.proto_json_utils import parse_dict

from metagan.io.outbox import Message, Outbox, OutboxOf, is_away, seen

WRITES = {
    "LogBatch": "log_batch",
    "LogMetric": "log_metric",
    "LogParam": "log_param",
    "SetTag": "set_tag",
    "LogInputs": "log_inputs",
    "UpdateRun": "update_run_info",
}
"""What an outbox takes: names of calls to a server, and the methods of a store that make them."""


def register(outbox: OutboxOf) -> None:
    """From now on this process tells MLflow everything through outboxes."""
    # It shows a traceback of what is caught, kept and said in one line here.
    logging.getLogger(database.__name__).setLevel(logging.CRITICAL)
    for scheme in ("http", "https"):
        tracking_service._register(scheme, lambda store_uri, **_: PatientStore(outbox(store_uri)))
    tracking_service._register("sqlite", lambda store_uri, **_: PatientDatabase(outbox(store_uri)))
    _artifact_repository_registry.register("mlflow-artifacts", partial(PatientArtifacts, outbox))


class Server:
    """Where the messages of an outbox go: an MLflow server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.store = RestStore(partial(get_default_host_creds, uri))

    def tell(self, message: Message) -> None:
        """Deliver a message. Raises MlflowException or RequestException."""
        if "file" in message:
            repository = MlflowArtifactsRepository(message["artifact_uri"], self.uri)
            repository.log_artifact(message["file"], message["artifact_path"])
        else:
            self.store._call_endpoint(getattr(service_pb2, message["call"]), message["body"])


class Database:
    """Where the messages of an outbox go: the file of the embedded database, opened when it is first needed."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @cached_property
    def store(self) -> Any:
        """MLflow's own."""
        return tracking_service._get_sqlalchemy_store(self.uri, None)

    def tell(self, message: Message) -> None:
        """Deliver a message. Raises MlflowException."""
        words = getattr(service_pb2, message["call"])()
        parse_dict(json.loads(message["body"]), words)
        try:
            TELLERS[message["call"]](self.store, words)
        except sqlalchemy.exc.SQLAlchemyError as error:  # while the store is opened; later MLflow translates them
            raise MlflowException(str(error), TEMPORARILY_UNAVAILABLE) from error


TELLERS: dict[str, Callable[[Any, Any], object]] = {
    "LogBatch": lambda store, words: store.log_batch(
        words.run_id,
        [Metric.from_proto(metric) for metric in words.metrics],
        [Param.from_proto(param) for param in words.params],
        [RunTag.from_proto(tag) for tag in words.tags],
    ),
    "LogMetric": lambda store, words: store.log_metric(words.run_id, Metric.from_proto(words)),
    "LogParam": lambda store, words: store.log_param(words.run_id, Param.from_proto(words)),
    "SetTag": lambda store, words: store.set_tag(words.run_id, RunTag.from_proto(words)),
    "LogInputs": lambda store, words: store.log_inputs(
        words.run_id,
        [DatasetInput.from_proto(dataset) for dataset in words.datasets],
        [LoggedModelInput.from_proto(model) for model in words.models],
    ),
    "UpdateRun": lambda store, words: store.update_run_info(
        words.run_id,
        words.status if words.HasField("status") else None,
        words.end_time if words.HasField("end_time") else None,
        words.run_name or None,
    ),
}


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


class PatientDatabase:
    """MLflow's store of a database, but for writes, which go through an outbox in the words of `PatientStore`.

    While the database cannot be read, or after a run was deleted for good, it answers for the runs that were seen.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox, self._writer = outbox, PatientStore(outbox)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer if name in WRITES.values() else self._outbox.place.store, name)

    def create_run(self, *arguments: Any, **named: Any) -> Run:
        run = self._outbox.place.store.create_run(*arguments, **named)
        seen[run.info.run_id] = run.to_proto()
        return run

    def get_run(self, run_id: str) -> Run:
        known = seen.get(run_id)
        if known is not None and self._outbox.is_away:
            return Run.from_proto(known)
        try:
            run = self._outbox.place.store.get_run(run_id)
        except (MlflowException, sqlalchemy.exc.SQLAlchemyError):
            if known is None:
                raise
            return Run.from_proto(known)
        seen[run_id] = run.to_proto()
        return run


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


@contextmanager
def without_run() -> Iterator[None]:
    """No run is active in this thread."""
    active = fluent._active_run_stack.get()
    fluent._active_run_stack.set([])
    try:
        yield
    finally:
        fluent._active_run_stack.set(active)


def make_database(uri: str) -> None:
    """The tables of this version of MLflow in a new file, which is on the disk only when its maker has seen to it."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.pool.NullPool)
    sqlalchemy.event.listen(engine, "connect", _keep_in_memory)
    database._initialize_tables(engine)
    engine.dispose()


def _keep_in_memory(connection: sqlite3.Connection, _: object) -> None:
    """Of a file that is not in use: each of a hundred changes would else wait for the disk."""
    connection.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")


def schemas() -> tuple[set[str], str]:
    """All revisions of the tables that this version of MLflow knows, and the one that it needs."""
    scripts = ScriptDirectory.from_config(database._get_alembic_config(""))
    return {script.revision for script in scripts.walk_revisions()}, database._get_latest_schema_revision()
