"""Whole runs from the command line, in a copy of the project."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from metagan.parameters import Parameters

if TYPE_CHECKING:
    from conftest import Project

METRICS = {
    "fid", "fjd", "kid", "precision", "recall", "density", "coverage", "recognisability", "diversity", "memorisation",
}  # fmt: skip
ADAPTING = {"adapted", "scratch", "fine_tuned"}
ARMS = {"prototypical none", "prototypical aq", "anil none", "anil aq"}  # of conf/smoke
ARTEFACTS = {
    "report.html",
    "generation.json",
    "data_card.json",
    "class_table.csv",
    "training_history.csv",
    "joint_history.csv",
    "pictures/contact_sheet.png",
    "pictures/samples.png",
    "checkpoints/meta_model.pt",
    "checkpoints/joint_gan.pt",
    "checkpoints/evaluation_embedder.pt",
    "checkpoints/objective_embedder.pt",
    "checkpoints/classifier.pt",
    "checkpoints/natural_classifier.pt",
    "classifier_history.csv",
    "natural_classifier_history.csv",
    "robustness.json",
}


def client(project: Project) -> MlflowClient:
    return MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")


def runs(project: Project) -> list[Run]:
    """All runs of the project, the latest first."""
    experiment = client(project).get_experiment_by_name("metagan")
    return list(client(project).search_runs([experiment.experiment_id]))


def artefacts(project: Project, run: Run, folder: str = "") -> set[str]:
    found: set[str] = set()
    for file in client(project).list_artifacts(run.info.run_id, folder or None):
        found |= artefacts(project, run, file.path) if file.is_dir else {file.path}
    return found


def processor_seconds() -> float:
    """Of all commands so far; unlike the time on the wall, no other work on the machine adds to it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def smoke(copy_project: Callable[[str], Project]) -> Project:
    """A copy in which `kedro run --env smoke` has been run once."""
    project = copy_project("smoke")
    before = processor_seconds()
    done = project.run("kedro", "run", "--env", "smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    assert processor_seconds() - before < 60
    return project


@pytest.fixture(scope="module")
def finished(smoke: Project) -> Run:
    (run,) = runs(smoke)
    return run


@pytest.mark.slow
class TestSmokeRun:
    """One run, and everything that it must leave behind."""

    def test_it_is_finished(self, smoke: Project, finished: Run) -> None:
        assert finished.info.status == "FINISHED"
        assert finished.data.tags["mlflow.source.git.commit"] == smoke.git("rev-parse", "HEAD")
        assert finished.data.tags["mlflow.source.git.dirty"] == "false"
        assert finished.info.artifact_uri.startswith((smoke.path / "mlruns").as_uri())

    def test_it_holds_every_parameter(self, finished: Run) -> None:
        def leaves(values: dict, prefix: str = "") -> set[str]:
            return set().union(
                *(
                    leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
                    for name, value in values.items()
                )
            )

        used = Parameters().model_dump(exclude={"compare_classifiers", "compare_meta_gradients", "leaderboard"})
        assert finished.data.params.keys() == leaves(used)
        assert finished.data.params["tasks.source"] == "digits"

    def test_it_holds_every_metric_by_adaptation_step(self, smoke: Project, finished: Run) -> None:
        expected = {f"{arm}/{metric}" for arm in (*ADAPTING, "copycat", "real") for metric in METRICS}
        expected |= {"gap_closed", "embedder/accuracy_20way_1shot", "seconds/meta_train", "seconds/adapt_one_task"}
        assert expected <= finished.data.metrics.keys()
        assert any(name.startswith("meta_train/") for name in finished.data.metrics)
        assert any(name.startswith("joint_gan/") for name in finished.data.metrics)
        history = client(smoke).get_metric_history(finished.info.run_id, "adapted/fjd")
        generation = json.loads((smoke.path / "data/08_reporting/generation.json").read_text(encoding="utf-8"))
        assert {point.step: point.value for point in history} == pytest.approx(
            dict(zip(generation["steps"], generation["arms"]["adapted"]["fjd"], strict=True))
        )

    def test_it_holds_pictures_checkpoints_and_the_report(self, smoke: Project, finished: Run) -> None:
        found = artefacts(smoke, finished)
        assert found >= ARTEFACTS
        assert any(name.startswith("images/") for name in found), "sample grids drawn while it trained"

    def test_generation_json_is_complete(self, smoke: Project, finished: Run) -> None:
        generation = json.loads((smoke.path / "data/08_reporting/generation.json").read_text(encoding="utf-8"))
        steps = generation["steps"]
        assert (generation["source"], generation["split"]) == ("digits", "test")
        for name in ("n_tasks", "k_shot", "steps"):
            assert str(generation[name]) == finished.data.params[f"evaluate.{name}"]
        assert 0 <= generation["embedder"]["accuracy_20way_1shot"] <= 1
        assert generation["arms"].keys() == {*ADAPTING, "copycat", "real"}
        for arm, table in generation["arms"].items():
            assert table.keys() == METRICS
            for values in table.values():
                assert len(values) == len(steps) if arm in ADAPTING else isinstance(values, float)
        assert len(generation["gap_closed"]) == len(steps)
        assert all(generation["seconds"][name] > 0 for name in ("meta_train", "adapt_one_task"))

    def test_the_report_opens_without_a_network(self, smoke: Project) -> None:
        report = (smoke.path / "data/08_reporting/report.html").read_text(encoding="utf-8")
        assert "<img" in report
        assert all(outside not in report for outside in ('src="http', 'href="http', "url(http", "@import"))

    def test_git_sees_nothing_of_it(self, smoke: Project) -> None:
        assert smoke.git("status", "--porcelain") == ""

    def test_from_another_folder_the_same_database_is_used(self, smoke: Project) -> None:
        before = len(runs(smoke))
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "report", folder="conf")
        assert done.returncode == 0, done.stderr
        assert len(runs(smoke)) == before + 1
        assert smoke.git("status", "--porcelain") == ""


@pytest.mark.slow
class TestBadInput:
    """What is wrong is said in one line, and the MLflow run does not claim success."""

    def test_a_bad_parameter_stops_before_anything_is_written(self, copy_project: Callable[[str], Project]) -> None:
        project = copy_project("bad parameter")
        done = project.run("kedro", "run", "--env", "smoke", "--params", "tasks.source=letters")
        assert done.returncode != 0
        assert done.stderr.strip() == (
            "Error: tasks.source: 'letters' is not one of 'glyphs', 'digits', 'omniglot', 'image_folder'"
        )
        assert not (project.path / "mlflow.db").exists()
        assert [path.name for path in (project.path / "data").rglob("*") if path.is_file()] == [".gitkeep"] * 4

    def test_a_failing_node_makes_a_failed_run(self, smoke: Project, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        parameters = f"tasks.source=image_folder,tasks.image_folder.path={tmp_path / 'empty'}"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks", "--params", parameters)
        assert done.returncode != 0
        assert str(tmp_path / "empty") in done.stderr.strip().splitlines()[-1]
        assert runs(smoke)[0].info.status == "FAILED"

    def test_a_truncated_checkpoint_is_named(self, smoke: Project) -> None:
        path = smoke.path / "data/06_models/meta_model.pt"
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "evaluate")
        path.write_bytes(whole)
        assert done.returncode != 0
        assert "meta_model.pt: damaged" in done.stderr.strip().splitlines()[-1]
        assert runs(smoke)[0].info.status == "FAILED"

    def test_a_checkpoint_of_another_architecture_is_refused(self, smoke: Project) -> None:
        other = "meta_train.networks.generator_width=16"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "evaluate", "--params", other)
        assert done.returncode != 0
        assert "generator_width" in done.stderr.strip().splitlines()[-1]
        assert runs(smoke)[0].info.status == "FAILED"

    def test_an_interrupted_run_is_not_finished(self, smoke: Project) -> None:
        script = (
            "import os, signal, sys\n"
            "sys.path.insert(0, 'src')\n"
            "import mlflow\n"
            "from metagan.hooks import _end_as_killed_when_interrupted\n"
            f"mlflow.set_tracking_uri('sqlite:///{smoke.path / 'mlflow.db'}')\n"
            "mlflow.set_experiment('metagan')\n"
            "mlflow.start_run()\n"
            "_end_as_killed_when_interrupted()\n"
            "os.kill(os.getpid(), signal.SIGTERM)\n"
        )
        assert smoke.run("python", "-c", script).returncode != 0
        assert runs(smoke)[0].info.status == "KILLED"


@pytest.fixture(scope="module")
def compared(self, smoke: Project) -> Run:
    pipelines = "compare_classifiers,compare_meta_gradients"
    done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", pipelines)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(run for run in runs(smoke) if "mlflow.parentRunId" not in run.data.tags)


@pytest.mark.slow
class TestComparisons:
    """Both comparisons in one run, on the task bank and the embedders that are there."""

    def test_each_arm_is_a_finished_run_nested_in_that_of_the_command(self, smoke: Project, compared: Run) -> None:
        query = f"tags.mlflow.parentRunId = '{compared.info.run_id}'"
        nested = client(smoke).search_runs([compared.info.experiment_id], query)
        assert {run.info.run_name for run in nested} == ARMS | {"maml", "fomaml", "reptile"}
        assert {run.info.status for run in (compared, *nested)} == {"FINISHED"}
        for run in nested:
            if run.info.run_name in ARMS:
                method, adversary = run.info.run_name.split()
                attacked = {"none": "none", "aq": "query"}[adversary]
                assert run.data.params == {
                    "classifier.method": method,
                    "classifier.adversary.where": attacked,
                }
                assert 0 <= run.data.metrics["2way_1shot/robust_accuracy"] <= 1

    def test_the_classifiers_have_a_row_for_each_method(self, smoke: Project, compared: Run) -> None:
        table = pd.read_csv(smoke.path / "data/08_reporting/classifiers.csv")
        assert {f"{row.method} {row.adversary}" for row in table.itertuples()} == ARMS
        assert (table["episodes"] == 2).all()
        assert (table["robust_accuracy"] <= table["natural_accuracy"]).all()
        assert table["robust_accuracy"].is_monotonic_decreasing

    def test_the_meta_gradients_have_a_row_for_each_step_and_a_picture(self, smoke: Project, compared: Run) -> None:
        table = pd.read_csv(smoke.path / "data/08_reporting/meta_gradients.csv")
        assert set(zip(table["arm"], table["step"], strict=True)) == {
            (arm, step) for arm in ("maml", "fomaml", "reptile") for step in (0, 1, 2)
        }
        assert (table["meta_steps"] > 0).all()
        assert (table["seconds"] >= 3).all()  # the budget of conf/smoke
        assert {"classifiers.csv", "meta_gradients.csv"} <= artefacts(smoke, compared)
        assert np.asarray(Image.open(smoke.path / "data/08_reporting/meta_gradients.png")).std() > 0


@pytest.mark.slow
def test_dvc_repro_is_one_run_and_skips_what_has_not_changed(smoke: Project) -> None:
    file = smoke.path / "dvc.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("env: local", "env: smoke"), encoding="utf-8")
    before = {run.info.run_id for run in runs(smoke)}

    done = smoke.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (run for run in runs(smoke) if run.info.run_id not in before)
    assert run.info.status == "FINISHED"
    assert artefacts(smoke, run) >= ARTEFACTS
    assert "adapted/fid" in run.data.metrics

    done = smoke.run("dvc", "repro")
    assert done.stdout.count("didn't change, skipping") == 7
    assert len(runs(smoke)) == len(before) + 1
    assert {line.split()[-1] for line in smoke.git("status", "--porcelain").splitlines()} == {"dvc.lock", "dvc.yaml"}
