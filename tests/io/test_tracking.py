from __future__ import annotations

import re
from collections.abc import Iterator

import mlflow
import pytest
import torch
from kedro.io import DataCatalog
from kedro_mlflow.io.catalog.switch_catalog_logging import switch_catalog_logging

from metagan.domains import stored_example
from metagan.io import MlflowMetricsDataset
from metagan.io.tracking import grid_logger, nested_runs, run_logger


@pytest.fixture
def run(experiment: str) -> Iterator[mlflow.ActiveRun]:
    with mlflow.start_run(experiment_id=experiment) as active:
        yield active


def test_a_training_logs_into_the_active_run_and_does_not_end_it(run: mlflow.ActiveRun) -> None:
    logger = run_logger("meta_train")
    assert logger is not None
    logger.log_metrics({"loss": 0.5, "epoch": 0}, step=3)
    logger.finalize("success")
    found = mlflow.MlflowClient().get_run(run.info.run_id)
    assert found.info.status == "RUNNING"
    assert found.data.metrics == {"meta_train/loss": 0.5}
    assert [found.info.run_id for found in mlflow.MlflowClient().search_runs([run.info.experiment_id])] == [
        run.info.run_id
    ]


def test_sample_grids_are_kept_by_step(run: mlflow.ActiveRun) -> None:
    show = grid_logger(run_logger(), stored_example("image", (1, 16, 16)))
    assert show is not None
    show(torch.rand(2, 3, 1, 8, 8), 10)
    show(torch.rand(2, 3, 3, 8, 8), 20)
    names = [file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id, "images")]
    steps = {re.search(r"step\W(\d+)", name)[1] for name in names if name.endswith(".png")}  # type: ignore[index]
    assert steps == {"10", "20"}


def test_outside_a_run_nothing_is_logged() -> None:
    assert mlflow.active_run() is None
    assert run_logger() is None
    assert grid_logger(run_logger(), stored_example("image", (1, 16, 16))) is None


def active_run() -> mlflow.ActiveRun:
    run = mlflow.active_run()
    assert run is not None
    return run


def statuses(run: mlflow.ActiveRun) -> dict[str, str]:
    found = mlflow.MlflowClient().search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    return {nested.info.run_name: nested.info.status for nested in found}


def test_nested_runs_are_made_before_the_first_is_opened(run: mlflow.ActiveRun) -> None:
    with nested_runs(["first", "second"]) as (open_first, open_second):
        assert statuses(run) == {"first": "SCHEDULED", "second": "SCHEDULED"}
        with open_first():
            mlflow.log_metric("accuracy", 0.5)
            assert statuses(run) == {"first": "RUNNING", "second": "SCHEDULED"}
        with open_second():
            assert active_run().data.tags["mlflow.runName"] == "second"
    assert statuses(run) == {"first": "FINISHED", "second": "FINISHED"}
    assert active_run().info.run_id == run.info.run_id


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_error_ends_all_nested_runs(run: mlflow.ActiveRun, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), nested_runs(["done", "wrong", "waiting"]) as (open_done, open_wrong, _):
        with open_done():
            pass
        with open_wrong():
            raise error
    assert statuses(run) == {"done": "FINISHED", "wrong": status, "waiting": "KILLED"}


def test_without_a_run_none_is_nested() -> None:
    with nested_runs(["arm"]) as (open_run,), open_run():
        assert mlflow.active_run() is None


def test_metrics_of_a_dataset_are_one_message(run: mlflow.ActiveRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow.MlflowClient, "log_metric", None)
    values = {
        "adapted/fjd": [{"value": 0.5, "step": 0}, {"value": 0.25, "step": 5}],
        "gap": [{"value": 1.0, "step": 0}],
    }
    MlflowMetricsDataset().save(values)
    for name, row in values.items():
        history = mlflow.MlflowClient().get_metric_history(run.info.run_id, name)
        assert [{"value": point.value, "step": point.step} for point in history] == row


def test_metrics_of_an_untracked_pipeline_are_not_logged(run: mlflow.ActiveRun) -> None:
    catalog = DataCatalog({"metrics": MlflowMetricsDataset()})
    switch_catalog_logging(catalog, False)
    catalog.save("metrics", {"gap": [{"value": 1.0, "step": 0}]})
    assert mlflow.MlflowClient().get_run(run.info.run_id).data.metrics == {}
