"""The smoke job under DVC: repeated, shared with a colleague, and as an experiment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pandas as pd
import pytest
from mlflow.entities import Run
from PIL import Image
from sklearn.datasets import load_digits

from metagan.lock import FolderLock

if TYPE_CHECKING:
    from conftest import Project


def copy_of_smoke(copy_project: Callable[[str], Project], name: str) -> Project:
    """A copy in which DVC's stages are those of the smoke job."""
    project = copy_project(name)
    file = project.path / "dvc.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("env: local", "env: smoke"), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def locked(copy_project: Callable[[str], Project]) -> Project:
    """A copy after `dvc repro` of the smoke job, with dvc.lock committed."""
    project = copy_of_smoke(copy_project, "dvc")
    done = project.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[-1] for line in project.git("status", "--porcelain").splitlines()} == {"dvc.lock", "dvc.yaml"}
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "lock")
    return project


def locked_hash(project: Project) -> str:
    """DVC's hash of the task bank."""
    found = re.search(r"path: data/02_intermediate/task_bank\n *hash: md5\n *md5: (\w+\.dir)", lock_file(project))
    assert found
    return found[1]


def output_hash(project: Project, name: str) -> str:
    """DVC's hash of a file in data/08_reporting."""
    found = re.search(rf"path: data/08_reporting/{name}\n *hash: md5\n *md5: (\w+)", lock_file(project))
    assert found
    return found[1]


def lock_file(project: Project) -> str:
    return (project.path / "dvc.lock").read_text(encoding="utf-8")


@pytest.mark.slow
def test_processes_that_dvc_has_started_are_one_run(copy_project: Callable[[str], Project]) -> None:
    """As from a terminal: each knows the others by their parent process."""
    project = copy_of_smoke(copy_project, "processes")
    done = project.run("dvc", "repro", "embedder", cold=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = project.runs()
    assert (run.info.run_name, run.info.status) == ("dvc repro", "FINISHED")
    assert {"data_card.json", "checkpoints/evaluation_embedder.pt"} <= project.artefacts(run)


@pytest.mark.slow
class TestLockedResult:
    """`dvc repro`, and what must not be taken for its result."""

    def test_it_is_one_run_and_skips_what_has_not_changed(self, locked: Project) -> None:
        (run,) = locked.runs()
        assert (run.info.run_name, run.info.status) == ("dvc repro", "FINISHED")
        assert {"report.html", "robustness.json", "checkpoints/classifier.pt"} <= locked.artefacts(run)
        assert "adapted/fid" in run.data.metrics
        assert run.data.tags["dvc_task_bank"] == locked_hash(locked)
        assert "overrides" not in run.data.tags
        done = locked.run("dvc", "repro")
        assert done.stdout.count("didn't change, skipping") == 7
        assert len(locked.runs()) == 1

    def test_a_fresh_clone_comes_to_the_same_numbers(self, locked: Project, tmp_path: Path) -> None:
        clone = replace(locked, path=tmp_path / "clone")
        locked.git("clone", "--quiet", str(locked.path), str(clone.path))
        done = clone.run("dvc", "repro")
        assert done.returncode == 0, done.stdout + done.stderr
        for name in ("generation_summary.json", "generation_by_step.csv", "robustness_summary.json"):
            assert output_hash(clone, name) == output_hash(locked, name), name

    def test_hidden_parameters_are_refused_before_any_work(self, copy_project: Callable[[str], Project]) -> None:
        project = copy_project("hidden parameters")
        (project.path / "conf/local/parameters.yml").write_text("seed: 1\n", encoding="utf-8")
        done = project.run("dvc", "repro", "tasks")
        assert done.returncode != 0
        assert "without knowing of conf/local/parameters.yml" in done.stderr
        assert not (project.path / "dvc.lock").exists()
        assert not (project.path / "mlflow.db").exists()

    def test_a_run_with_parameters_does_not_become_the_locked_result(self, locked: Project) -> None:
        card = locked.path / "data/08_reporting/data_card.json"
        before = card.read_bytes(), lock_file(locked)
        done = locked.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks", "--params", "seed=1")
        assert done.returncode == 0, done.stderr
        assert locked.runs()[0].data.tags["overrides"] == "--env smoke, --params"
        assert card.read_bytes() != before[0]
        assert "data_card.json" in locked.run("dvc", "status", "tasks").stdout
        assert locked.run("dvc", "commit", "tasks").returncode != 0
        assert lock_file(locked) == before[1]
        done = locked.run("dvc", "repro", "tasks")
        assert done.returncode == 0, done.stderr
        assert (card.read_bytes(), lock_file(locked)) == before


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of a DVC remote: an empty folder, or an empty bucket behind HTTP with credentials in the environment."""
    if request.param == "folder":
        return {"url": str(tmp_path / "remote")}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key of the test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret of the test")
    address = request.getfixturevalue("s3")
    boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(Bucket="metagan")
    return {"url": "s3://metagan/shared", "endpointurl": address}


@pytest.mark.slow
def test_a_colleague_pulls_the_results_and_reports_and_adapts_without_training(
    locked: Project, remote: dict[str, str], tmp_path: Path
) -> None:
    colleague = replace(locked, path=tmp_path / "colleague's clone")
    locked.git("clone", "--quiet", str(locked.path), str(colleague.path))
    for project in (locked, colleague):
        project.run("dvc", "remote", "add", "--local", "--force", "--default", "shared", remote["url"])
        if "endpointurl" in remote:
            project.run("dvc", "remote", "modify", "--local", "shared", "endpointurl", remote["endpointurl"])
    pushed = locked.run("dvc", "push")
    assert pushed.returncode == 0, pushed.stderr
    pulled = colleague.run("dvc", "pull")
    assert pulled.returncode == 0, pulled.stderr
    assert "up to date" in colleague.run("dvc", "status").stdout
    done = colleague.run("kedro", "run", "--env", "smoke", "--pipelines", "report")
    assert done.returncode == 0, done.stderr
    assert (colleague.path / "data/08_reporting/report.html").stat().st_size > 10_000
    pictures = tmp_path / "eights"
    pictures.mkdir()
    digits = load_digits()
    for number, image in enumerate(digits.images[digits.target == 8][:4]):
        Image.fromarray((16 * image).clip(max=255).astype("uint8")).save(pictures / f"{number}.png")
    done = colleague.run(
        "kedro", "run", "--env", "smoke", "--pipelines", "adapt", "--params", f"adapt.images={pictures}"
    )
    assert done.returncode == 0, done.stderr
    assert (colleague.path / "data/07_model_output/adapted_samples/000.png").is_file()
    trained = {"meta_train/train_loss", "classifier/train_loss"}
    assert not any(run.data.metrics.keys() & trained for run in colleague.runs())
    for file in (colleague.path / ".dvc").glob("config*"):
        assert "of the test" not in file.read_text(encoding="utf-8")


@pytest.mark.slow
class TestExperiment:
    """`dvc exp run -S`, and what DVC and MLflow say of it; it leaves its result in the workspace."""

    @pytest.fixture(scope="class")
    def experiment(self, locked: Project) -> Run:
        before = len(locked.runs())
        change = "conf/base/parameters_meta_train.yml:meta_train.learning_rate=0.01"
        done = locked.run("dvc", "exp", "run", "--name", "faster", "--set-param", change)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(locked.runs()) == before + 1
        return locked.runs()[0]

    def test_it_is_one_run_with_its_name_commit_and_data(self, locked: Project, experiment: Run) -> None:
        assert (experiment.info.run_name, experiment.info.status) == ("faster", "FINISHED")
        assert experiment.data.tags["dvc_experiment"] == "faster"
        assert experiment.data.tags["mlflow.source.git.commit"] == locked.git("rev-parse", "HEAD")
        assert experiment.data.tags["dvc_task_bank"] == locked_hash(locked)
        assert experiment.data.params["meta_train.learning_rate"] == "0.01"
        (data,) = experiment.inputs.dataset_inputs
        header = json.loads((locked.path / "data/02_intermediate/task_bank/bank.json").read_text(encoding="utf-8"))
        assert data.dataset.name == "digits"
        assert header["content_hash"].startswith(data.dataset.digest)

    @pytest.mark.usefixtures("experiment")
    def test_dvc_shows_it_and_its_differences(self, locked: Project, tmp_path: Path) -> None:
        table = locked.run("dvc", "exp", "show", "--csv").stdout
        assert "faster" in table
        assert {"Experiment", "recognisability", "gap_closed"} <= set(table.splitlines()[0].split(","))
        metrics = json.loads(locked.run("dvc", "metrics", "diff", "--json").stdout)
        change = metrics["data/08_reporting/generation_summary.json"]["fjd"]
        assert change["diff"] == pytest.approx(change["new"] - change["old"])
        assert change["diff"] != 0
        done = locked.run("dvc", "plots", "diff", "--out", str(tmp_path / "plots"), "HEAD", "workspace")
        assert done.returncode == 0, done.stderr
        page = (tmp_path / "plots/index.html").read_text(encoding="utf-8")
        for name in ("outer loss", "score on the val classes", "recognisability by adaptation step"):
            assert name in page
        assert '"rev": "workspace"' in page

    @pytest.mark.usefixtures("experiment")
    def test_the_leaderboard_ranks_it_and_is_no_run_itself(self, locked: Project) -> None:
        before = len(locked.runs())
        metric = "leaderboard.metric=robust_accuracy"
        beside = FolderLock(locked.path / "data")
        beside.acquire()  # as a run that writes there has it
        done = locked.run("kedro", "run", "--env", "smoke", "--pipelines", "leaderboard", "--params", metric)
        beside.release()
        assert done.returncode == 0, done.stderr
        assert len(locked.runs()) == before
        board = pd.read_csv(locked.path / "data/08_reporting/leaderboard.csv")
        assert {"faster", "dvc repro"} <= set(board["run"])
        assert board["robust_accuracy"].dropna().is_monotonic_decreasing
        page = (locked.path / "data/08_reporting/leaderboard.html").read_text(encoding="utf-8")
        assert all(link in page for link in board["link"])
