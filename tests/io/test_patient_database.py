"""MLflow's own client on an embedded database that goes away while it is told things."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.tracking._tracking_service import utils as tracking_service

from metagan.io import mlflow_inside, mlflow_version, outbox
from metagan.io.outbox import Outbox, OutboxOf
from metagan.io.tracking import nested_runs

UNEVEN = 0.1 + 0.2


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, ready_database: Path) -> Path:
    return Path(shutil.copy(ready_database, tmp_path_factory.mktemp("patient")))


@pytest.fixture
def boxes(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxOf]:
    """The outboxes of this process, which is as it was after the test."""
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # as settings.py has it
    registry, before = tracking_service._tracking_store_registry, mlflow.get_tracking_uri()
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    monkeypatch.setattr(outbox, "_installed_in", None)
    monkeypatch.setattr(outbox, "SECONDS_BETWEEN_ATTEMPTS", 0.0)
    monkeypatch.setattr(outbox, "SHARE_OF_ATTEMPTS", float("inf"))
    monkeypatch.setattr(outbox, "SECONDS_FOR_A_LOCK", 0.05)
    registry._get_store_with_resolved_uri.cache_clear()
    found = outbox.install(tmp_path / "unsent")
    assert found is not None
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    yield found
    registry._get_store_with_resolved_uri.cache_clear()
    mlflow.set_tracking_uri(before)


@pytest.fixture
def box(boxes: OutboxOf, path: Path) -> Outbox:
    return boxes(f"sqlite:///{path}")


@pytest.fixture
def experiment(box: Outbox, tmp_path: Path) -> str:
    """Whose artefacts lie beside the test's other files."""
    return MlflowClient().create_experiment(tmp_path.name, artifact_location=(tmp_path / "artefacts").as_uri())


@pytest.fixture
def lock(path: Path) -> Iterator[Callable[[str], Callable[[], None]]]:
    """Take a lock of the database as another program would; what is returned gives it back."""
    connections = []

    def take(how: str) -> Callable[[], None]:
        connections.append(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        connections[-1].execute(how)
        return connections[-1].close

    yield take
    for connection in connections:
        connection.close()


def told(path: Path, run: str) -> Run:
    """What the database itself holds of a run."""
    return tracking_service._get_sqlalchemy_store(f"sqlite:///{path}", None).get_run(run)


def kept(box: Outbox) -> list[Path]:
    return [file for file in box.folder.rglob("*") if file.is_file()]


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_what_a_locked_database_could_not_be_told_it_is_told_later(
    how: str,
    box: Outbox,
    experiment: str,
    path: Path,
    lock: Callable[[str], Callable[[], None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = MetaDataset(LocalArtifactDatasetSource("bank"), "glyphs", "abc")
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("loss", UNEVEN, step=0)
        assert kept(box) == []
        release = lock(how)
        mlflow.log_metric("loss", float("nan"), step=1)
        mlflow.log_metrics({"loss": -UNEVEN, "score": float("inf")}, step=2)
        mlflow.log_params({"seed": 3})
        mlflow.log_param("source", "glyphs")
        mlflow.set_tag("note", "two\nlines")
        mlflow.log_input(data, context="tasks")
        mlflow.log_dict({"a": 1}, "table.json")
        assert mlflow.get_run(run.info.run_id).info.run_name == run.info.run_name
        with nested_runs([]) as none:
            assert none == []
    name = run.info.run_name
    said = [record.message for record in caplog.records if record.name == "metagan.io.outbox"]
    assert len(said) == 1
    assert said[0].startswith(f"the tracking database {path} does not answer; kept for it in {box.folder}: {path} is")
    assert "Traceback" not in caplog.text
    release()
    assert told(path, run.info.run_id).info.status == "RUNNING"
    box.deliver_at_the_end()
    after = told(path, run.info.run_id)
    assert after.info.status == "FINISHED"
    assert after.info.end_time >= after.info.start_time
    assert after.info.run_name == name
    assert after.data.params == {"seed": "3", "source": "glyphs"}
    assert after.data.tags["note"] == "two\nlines"
    assert "the database was away" in after.data.tags["tracking_gap"]
    assert [value.dataset.digest for value in after.inputs.dataset_inputs] == ["abc"]
    history = MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 1, 2]
    assert (history[0].value, history[2].value) == (UNEVEN, -UNEVEN)
    assert history[1].value != history[1].value
    assert after.data.metrics["score"] > 1e300
    assert caplog.records[-1].message == f"the tracking database {path} answers again"
    assert kept(box) == []


@pytest.mark.parametrize("fault", ["read-only", "cut off", "moved away"])
def test_a_database_that_is_mended_is_told_what_it_missed(
    fault: str, box: Outbox, experiment: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run(experiment_id=experiment) as run:
        whole = path.read_bytes()
        if fault == "read-only":
            path.write_bytes(whole[:18] + b"\3" + whole[19:])  # for SQLite a format that it cannot write
        elif fault == "cut off":
            path.write_bytes(whole[:4000])
        else:
            path.unlink()
        mlflow.log_metric("loss", UNEVEN)
        mlflow.log_dict({"a": 1}, "table.json")
    path.write_bytes(whole)
    box.deliver_at_the_end()
    after = told(path, run.info.run_id)
    assert (after.info.status, after.data.metrics) == ("FINISHED", {"loss": UNEVEN})
    assert caplog.text.count("does not answer") == 1
    assert kept(box) == []


def test_a_run_that_is_deleted_is_named_once_and_the_work_goes_on(
    box: Outbox, experiment: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("loss", 1.0, step=0)
        tracking_service._get_sqlalchemy_store(f"sqlite:///{path}", None).delete_run(run.info.run_id)
        for step in range(1, 4):
            mlflow.log_metric("loss", 1.0, step=step)
        mlflow.log_dict({"a": 1}, "table.json")
    said = [record.message for record in caplog.records if record.name == "metagan.io.outbox"]
    assert said == [
        f"the run {run.info.run_name} ({run.info.run_id}) was deleted: what it should be told is lost; the work goes"
        " on, and its results are on disk"
    ]
    assert kept(box) == []


def test_a_run_that_is_deleted_for_good_is_named_too(
    box: Outbox, experiment: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("loss", 1.0)
        with closing(sqlite3.connect(path)) as connection, connection:
            for table in ("latest_metrics", "metrics", "tags", "params", "runs"):
                connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", [run.info.run_id])
        mlflow.log_metric("loss", 1.0)
        assert mlflow.get_run(run.info.run_id).info.run_id == run.info.run_id
    assert caplog.text.count("was deleted: what it should be told is lost") == 1
    assert kept(box) == []


def test_arms_that_cannot_have_runs_of_their_own_work_without(
    experiment: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = mlflow_inside.PatientDatabase.create_run

    def create_one(*arguments: Any, **named: Any) -> Run:
        monkeypatch.setattr(mlflow_inside.PatientDatabase, "create_run", locked)
        return create(*arguments, **named)

    def locked(*_: Any, **__: Any) -> Run:
        raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)

    with mlflow.start_run(experiment_id=experiment) as run:
        monkeypatch.setattr(mlflow_inside.PatientDatabase, "create_run", create_one)
        with nested_runs(["maml", "reptile"]) as arms:
            for arm in arms:
                with arm():
                    assert mlflow.active_run() is None
                assert mlflow.active_run().info.run_id == run.info.run_id
    assert "maml, reptile: without runs of their own" in caplog.text
    inside = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    assert [arm.info.status for arm in MlflowClient().search_runs([experiment], inside)] == ["KILLED"]


def test_a_message_that_is_refused_does_not_stop_the_others(
    box: Outbox, experiment: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_param("seed", 1)
        mlflow.log_param("seed", 2)
        mlflow.log_metric("loss", 1.0)
    assert f"the tracking database {path} refuses a message: " in caplog.text
    after = told(path, run.info.run_id)
    assert (after.info.status, after.data.params, after.data.metrics) == ("FINISHED", {"seed": "1"}, {"loss": 1.0})
    assert kept(box) == []


def test_another_mlflow_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    registry = tracking_service._tracking_store_registry
    before = dict(registry._registry)
    monkeypatch.setattr(mlflow_version, "VERSION", "3.18.0")
    assert outbox.install(tmp_path) is None
    assert registry._registry == before
    assert "MLflow 3.18.0 is not known here (known: ~=3.17.0): tracking is plain" in caplog.text
