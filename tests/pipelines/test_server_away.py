"""A real MLflow server that is killed in the middle of a run, and comes back or does not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

if TYPE_CHECKING:
    from conftest import Project, Running, Server

JOINT_STEPS = 400  # in four meta-steps; every tenth is logged
PARENT = "mlflow.parentRunId"
RUN = ("kedro", "run", "--env", "smoke", "--pipelines", "tasks,embedder,meta_train")
RUN += ("--params", f"meta_train.joint.steps_per_meta_step={JOINT_STEPS // 4}")

pytestmark = pytest.mark.fault_injection


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    return copy_project("server away")


@pytest.fixture(scope="module")
def server(project: Project, start_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Server:
    folder = tmp_path_factory.mktemp("server")
    return start_server(project, f"sqlite:///{folder / 'server.db'}", str(folder / "artefacts"))


def runs(server: Server) -> list[Run]:
    """All that the server knows, the latest first."""
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("metagan")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def arms(server: Server) -> list[Run]:
    """The runs inside the latest run that has any."""
    nested = [run for run in runs(server) if PARENT in run.data.tags]
    return [run for run in nested if run.data.tags[PARENT] == nested[0].data.tags[PARENT]]


def assert_nothing_is_lost(project: Project, server: Server, run_id: str) -> None:
    client = MlflowClient(server.uri)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert "the server was away" in run.data.tags["tracking_gap"]
    points = client.get_metric_history(run_id, "joint_gan/generator_loss")
    assert [point.step for point in points] == list(range(9, JOINT_STEPS, 10))
    assert "joint_history.csv" in {file.path for file in client.list_artifacts(run_id)}
    assert "checkpoints/joint_gan.pt" in {file.path for file in client.list_artifacts(run_id, "checkpoints")}
    assert [path for path in (project.path / "mlruns/unsent").rglob("*") if path.is_file()] == []


def start_and_lose_the_server(project: Project, server: Server) -> Running:
    running = project.start(*RUN, MLFLOW_TRACKING_URI=server.uri)
    running.wait_for("Running node: train_joint_gan")
    server.kill()
    running.wait_for(f"the MLflow server at {server.uri} does not answer")
    return running


def test_a_server_that_comes_back_is_told_what_it_missed(project: Project, server: Server) -> None:
    running = start_and_lose_the_server(project, server)
    running.process.send_signal(signal.SIGSTOP)  # so that it does not end before the server is up
    server.start()
    running.process.send_signal(signal.SIGCONT)
    assert running.process.wait() == 0, running.said()
    assert f"the MLflow server at {server.uri} answers again" in running.said()
    assert_nothing_is_lost(project, server, runs(server)[0].info.run_id)


def test_without_the_server_a_run_ends_and_the_next_one_tells(project: Project, server: Server) -> None:
    (project.path / "data/06_models/joint_gan.pt").unlink()
    running = start_and_lose_the_server(project, server)
    assert running.process.wait() == 0, running.said()
    assert "did not come back" in running.said()
    assert "metagan-digits-16-meta-model is not registered" in running.said()
    assert (project.path / "data/06_models/joint_gan.pt").exists()

    done = project.start("kedro", "run", "--env", "smoke", MLFLOW_TRACKING_URI=server.uri)
    assert done.process.wait() != 0
    assert done.said().strip().splitlines()[-1].startswith(f"Error: the MLflow server at {server.uri} does not answer")

    server.start()
    run_id = runs(server)[0].info.run_id
    done = project.start("kedro", "run", "--env", "smoke", "--pipelines", "tasks", MLFLOW_TRACKING_URI=server.uri)
    assert done.process.wait() == 0, done.said()
    assert_nothing_is_lost(project, server, run_id)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_comparison_goes_on_without_the_server(project: Project, server: Server, processes: int) -> None:
    before = len(runs(server))
    command = ("kedro", "run", "--env", "smoke", "--pipelines", "tasks,compare_classifiers", "--params")
    running = project.start(*command, f"compare_classifiers.side_by_side={processes}", MLFLOW_TRACKING_URI=server.uri)
    while len(runs(server)) < before + 5 or not any("train_loss" in arm.data.metrics for arm in arms(server)):
        assert running.process.poll() is None, running.said()
    server.kill()
    assert running.process.wait() == 0, running.said()

    server.start()
    assert "RUNNING" in {arm.info.status for arm in arms(server)}
    done = project.start("kedro", "run", "--env", "smoke", "--pipelines", "tasks", MLFLOW_TRACKING_URI=server.uri)
    assert done.process.wait() == 0, done.said()
    assert {arm.info.status for arm in arms(server)} == {"FINISHED"}
    for arm in arms(server):
        assert {
            "val/accuracy",
            "classifier/2way_1shot/accuracy",
            "classifier/training_seconds",
        } <= arm.data.metrics.keys()
