from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from metagan.io.tracking import run_logger


@pytest.fixture
def run(tmp_path: Path) -> Iterator[mlflow.ActiveRun]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = mlflow.create_experiment("test", artifact_location=(tmp_path / "artifacts").as_uri())
    with mlflow.start_run(experiment_id=experiment) as active:
        yield active
    mlflow.set_tracking_uri(before)


def test_a_training_logs_into_the_active_run_and_does_not_end_it(run: mlflow.ActiveRun) -> None:
    logger = run_logger("meta_train")
    assert logger is not None
    logger.log_metrics({"loss": 0.5}, step=3)
    logger.finalize("success")
    found = mlflow.MlflowClient().get_run(run.info.run_id)
    assert found.info.status == "RUNNING"
    assert found.data.metrics == {"meta_train/loss": 0.5}
    assert len(mlflow.MlflowClient().search_runs([run.info.experiment_id])) == 1


def test_no_run_no_logger() -> None:
    assert mlflow.active_run() is None
    assert run_logger() is None
