"""Whole runs whose embedded tracking database is taken away from them, by another program or by a person."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project, Running

RUN = ("kedro", "run", "--env", "smoke", "--pipelines", "tasks,classifier")
NODE = "Running node: train_classifier"


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    return copy_project("database away")


def start(project: Project) -> Running:
    running = project.start(*RUN)
    running.wait_for(NODE)
    return running


@pytest.mark.slow
def test_what_a_run_could_not_tell_a_locked_database_the_next_run_tells(project: Project) -> None:
    running = start(project)
    with closing(sqlite3.connect(project.path / "mlflow.db", isolation_level=None, timeout=60)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        assert running.process.wait() == 0, running.said()
        assert "Traceback" not in running.said()
        assert running.said().count("mlflow.db does not answer; kept for it in") == 1
        assert "mlflow.db did not come back" in running.said()
        assert [run.info.status for run in project.runs()] == ["RUNNING"]
        assert (project.path / "data/06_models/classifier.pt").exists()
        kept = [
            line for file in (project.path / "mlruns/unsent").rglob("*.jsonl") for line in file.read_text().split("\n")
        ]
        calls = {json.loads(line)["call"] for line in kept if line}
        assert "LogBatch" in calls and "LogParam" not in calls  # the parameters of a node are one message
    done = project.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks")
    assert done.returncode == 0, done.stderr
    run = project.runs()[1]
    assert run.info.status == "FINISHED"
    assert "the database was away" in run.data.tags["tracking_gap"]
    assert "classifier/train_loss" in run.data.metrics
    assert "checkpoints/classifier.pt" in project.artefacts(run)
    assert [path for path in (project.path / "mlruns/unsent").rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_run_that_is_deleted_while_it_works_ends_well(project: Project) -> None:
    (project.path / "data/06_models/classifier.pt").unlink(missing_ok=True)
    running = start(project)
    run = project.runs()[0]
    project.client.delete_run(run.info.run_id)
    assert running.process.wait() == 0, running.said()
    assert "Traceback" not in running.said()
    assert running.said().count(f"({run.info.run_id}) was deleted: what it should be told is lost") == 1
    assert (project.path / "data/06_models/classifier.pt").exists()
