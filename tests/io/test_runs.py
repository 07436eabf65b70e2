from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from kedro.io import DatasetError

from metagan.io import FinishedRunsDataset


@pytest.fixture
def database(tmp_path: Path, ready_database: Path) -> Iterator[None]:
    before = mlflow.get_tracking_uri()
    shutil.copy(ready_database, tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield
    mlflow.set_tracking_uri(before)


def make_run(name: str, experiment: str, values: dict[int, float], status: str = "FINISHED") -> None:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(experiment)
    run = client.create_run(found.experiment_id if found else client.create_experiment(experiment), run_name=name)
    for step, value in values.items():
        client.log_metric(run.info.run_id, "adapted/fjd", value, step=step)
        client.log_metric(run.info.run_id, "adapted/fjd_before", value, step=step)
    if status != "RUNNING":
        client.set_terminated(run.info.run_id, status)


@pytest.mark.usefixtures("database")
def test_finished_runs_of_all_experiments_have_their_values_by_step() -> None:
    make_run("first", "here", {0: 9.0, 5: 2.0})
    make_run("second", "elsewhere", {})
    make_run("killed", "here", {5: 1.0}, status="KILLED")
    make_run("running", "here", {5: 1.0}, status="RUNNING")
    runs = FinishedRunsDataset(by_step="adapted/fjd").load().set_index("tags.mlflow.runName")
    assert set(runs.index) == {"first", "second"}
    assert runs["metrics.adapted/fjd"].to_dict() == {"first": {0: 9.0, 5: 2.0}, "second": None}
    assert runs["metrics.adapted/fjd_before"]["first"] == 2.0


@pytest.mark.usefixtures("database")
def test_no_runs_make_an_empty_table() -> None:
    assert FinishedRunsDataset(by_step="adapted/fjd").load().empty


def test_runs_are_not_saved_by_nodes() -> None:
    with pytest.raises(DatasetError, match="recorded by MLflow"):
        FinishedRunsDataset(by_step="fjd").save(object())  # type: ignore[arg-type]
