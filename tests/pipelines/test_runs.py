"""Whole runs from the command line, in a copy of the project."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import mlflow
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from nbclient import NotebookClient
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from metagan.parameters import Parameters
from metagan.training.adapted_generator import adapt_generator, draw

if TYPE_CHECKING:
    from conftest import Project

METRICS = {
    "fid", "fjd", "kid", "precision", "recall", "density", "coverage", "recognisability", "diversity", "memorisation",
}  # fmt: skip
ADAPTING = {"adapted", "scratch", "fine_tuned"}
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
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

        by_themselves = {"adapt", "compare_classifiers", "compare_meta_gradients", "leaderboard"}
        used = Parameters().model_dump(exclude=by_themselves)
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

    @pytest.mark.parametrize(
        ("kind", "score"),
        [
            ("meta-model", lambda kept: -(kept["val/fjd_1"] + kept["val/fjd_2"]) / 2),
            ("classifier", lambda kept: kept["val/score"]),
        ],
    )
    def test_it_registers_its_models_as_champions(
        self, smoke: Project, finished: Run, kind: str, score: Callable[[pd.Series], float]
    ) -> None:
        version = client(smoke).get_model_version_by_alias(f"metagan-digits-16-{kind}", "champion")
        assert version.run_id == finished.info.run_id
        assert "trained on" in version.description
        assert finished.data.tags["mlflow.source.git.commit"] in version.description
        history = {"meta-model": "training_history", "classifier": "classifier_history"}[kind]
        looks = pd.read_csv(smoke.path / f"data/08_reporting/{history}.csv")
        kept = looks.loc[looks["val/score"].idxmax()]
        assert float(version.tags["score"]) == pytest.approx(score(kept))

    def test_its_meta_model_can_still_be_adapted(
        self, smoke: Project, finished: Run, request: pytest.FixtureRequest
    ) -> None:
        request.addfinalizer(partial(mlflow.set_tracking_uri, mlflow.get_tracking_uri()))
        mlflow.set_tracking_uri(f"sqlite:///{smoke.path / 'mlflow.db'}")
        model = mlflow.pyfunc.load_model("models:/metagan-digits-16-meta-model@champion").unwrap_python_model()
        weights = torch.load(smoke.path / "data/06_models/meta_model.pt", weights_only=True)
        pictures = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
        expected, _ = adapt_generator(weights, pictures, 2, 1, 0, progress=False)
        adapted = model.adapt(pictures, steps=2, seed=0)
        assert torch.equal(adapted.draw(5, seed=1), draw(expected, 5, 1))

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
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_top_to_bottom(smoke: Project, path: Path) -> None:
    resources = {"metadata": {"path": str(smoke.path / "notebooks")}}
    book = NotebookClient(nbformat.read(path, 4), timeout=600, kernel_name="python3", resources=resources).execute()
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in shown)
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
        assert [path.name for path in (project.path / "data").rglob("*") if path.is_file()] == [".gitkeep"] * 5

    def test_an_unknown_environment_is_named(self, smoke: Project) -> None:
        done = smoke.run("kedro", "run", "--env", "omniglott")
        assert done.returncode != 0
        assert done.stderr.strip().startswith(
            "Error: --env: 'omniglott' is not one of adml, adversaries, aq, augment, base"
        )

    def test_the_shared_server_must_be_named(self, smoke: Project) -> None:
        done = smoke.run("kedro", "run", "--env", "remote", "--pipelines", "tasks")
        assert done.returncode != 0
        said = done.stderr.strip().splitlines()[-1]
        assert said.startswith("Error: conf/remote/mlflow.yml: server.mlflow_tracking_uri: ")
        assert "'MLFLOW_TRACKING_URI' not found" in said

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
def compared(smoke: Project) -> Run:
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
                    "seed": "0",
                }
                assert 0 <= run.data.metrics["classifier/2way_1shot/pgd_linf"] <= 1

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
class TestSideBySide:
    """Arms in processes of their own, against the same arms one after the other."""

    @pytest.fixture(scope="class")
    def classifiers(self, smoke: Project, compared: Run) -> pd.DataFrame:
        """The table of the arms one after the other, then all of them again, two at a time."""
        before = pd.read_csv(smoke.path / "data/08_reporting/classifiers.csv")
        two = "compare_classifiers.side_by_side=2,compare_meta_gradients.side_by_side=2"
        pipelines = "compare_classifiers,compare_meta_gradients"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", pipelines, "--params", two)
        assert done.returncode == 0, done.stdout + done.stderr
        return before

    def test_the_results_are_the_same(self, smoke: Project, classifiers: pd.DataFrame) -> None:
        after = pd.read_csv(smoke.path / "data/08_reporting/classifiers.csv")
        pd.testing.assert_frame_equal(
            after.drop(columns="training_seconds"), classifiers.drop(columns="training_seconds"), check_exact=True
        )

    @pytest.mark.usefixtures("classifiers")
    def test_each_arm_is_a_nested_run_with_its_own_metrics(self, smoke: Project, compared: Run) -> None:
        parent = next(run for run in runs(smoke) if "mlflow.parentRunId" not in run.data.tags)
        assert parent.info.run_id != compared.info.run_id
        arms, expected = nested_in(smoke, parent), nested_in(smoke, compared)
        assert {run.info.status for run in (parent, *arms.values())} == {"FINISHED"}
        assert arms.keys() == ARMS | {"maml", "fomaml", "reptile"}
        for name, run in arms.items():
            assert run.data.metrics.keys() == expected[name].data.metrics.keys()
            if name in ARMS:
                assert run.data.params == expected[name].data.params
                for metric in ("classifier/2way_1shot/accuracy", "classifier/2way_1shot/pgd_linf", "val/accuracy"):
                    assert run.data.metrics[metric] == expected[name].data.metrics[metric]

    @pytest.mark.usefixtures("classifiers")
    def test_ended_trainings_are_forgotten(self, smoke: Project) -> None:
        assert not list((smoke.path / "data/06_models/checkpoints").rglob("*.ckpt"))


@pytest.mark.slow
class TestTwoProcesses:
    """Trainings that two processes share, after those of one."""

    @pytest.fixture(scope="class", params=["ddp_fork", "ddp"])
    def shared(self, request: pytest.FixtureRequest, smoke: Project, finished: Run) -> tuple[Run, dict[str, Tensor]]:
        """The run of two processes, and the weights that one process made."""
        alone = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "meta_train")
        assert alone.returncode == 0, alone.stderr
        weights, before = meta_weights(smoke), len(runs(smoke))
        two = f"trainer.devices=2,trainer.strategy={request.param}"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "meta_train", "--params", two)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(runs(smoke)) == before + 1
        return runs(smoke)[0], weights

    def test_there_is_one_run_with_every_metric_once(
        self, smoke: Project, finished: Run, shared: tuple[Run, dict[str, Tensor]]
    ) -> None:
        run, _ = shared
        assert run.info.status == "FINISHED"
        trained = {name for name in finished.data.metrics if name.startswith(("meta_train/", "joint_gan/"))}
        assert run.data.metrics.keys() == trained
        for name in trained:
            steps = [
                [point.step for point in client(smoke).get_metric_history(of.info.run_id, name)]
                for of in (run, finished)
            ]
            assert steps[0] == steps[1]
        names = ("checkpoints/meta_model.pt", "checkpoints/joint_gan.pt", "training_history.csv", "joint_history.csv")
        assert {name for name in artefacts(smoke, run) if not name.startswith("images/")} == set(names)
        assert not list((smoke.path / "data/06_models/checkpoints").rglob("*.ckpt"))

    def test_the_weights_are_those_of_one_process(self, smoke: Project, shared: tuple[Run, dict[str, Tensor]]) -> None:
        """But for rounding, which Adam's first steps amplify where a gradient is next to 0."""
        for name, value in meta_weights(smoke).items():
            torch.testing.assert_close(value, shared[1][name], rtol=1e-3, atol=1e-3)


def meta_weights(project: Project) -> dict[str, Tensor]:
    return torch.load(project.path / "data/06_models/meta_model.pt", weights_only=True)["state"]


def nested_in(project: Project, parent: Run) -> dict[str, Run]:
    query = f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    found = client(project).search_runs([parent.info.experiment_id], query)
    return {run.info.run_name: run for run in found}


@pytest.fixture(scope="module")
def locked(smoke: Project) -> Project:
    """The same copy after `dvc repro` of the smoke job, with dvc.lock committed."""
    file = smoke.path / "dvc.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("env: local", "env: smoke"), encoding="utf-8")
    done = smoke.run("dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {line.split()[-1] for line in smoke.git("status", "--porcelain").splitlines()} == {"dvc.lock", "dvc.yaml"}
    smoke.git("add", "--all")
    smoke.git("commit", "--quiet", "--message", "lock")
    return smoke


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
class TestLockedResult:
    """`dvc repro`, and what must not be taken for its result."""

    def test_it_is_one_run_and_skips_what_has_not_changed(self, locked: Project) -> None:
        (run, *earlier) = runs(locked)
        assert (run.info.run_name, run.info.status) == ("dvc repro", "FINISHED")
        assert artefacts(locked, run) >= ARTEFACTS
        assert "adapted/fid" in run.data.metrics
        assert run.data.tags["dvc_task_bank"] == locked_hash(locked)
        assert "overrides" not in run.data.tags
        done = locked.run("dvc", "repro")
        assert done.stdout.count("didn't change, skipping") == 7
        assert len(runs(locked)) == 1 + len(earlier)

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
        assert runs(locked)[0].data.tags["overrides"] == "--env smoke, --params"
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
    done = colleague.run("kedro", "run", "--env", "smoke", "--pipeline", "report")
    assert done.returncode == 0, done.stderr
    assert (colleague.path / "data/08_reporting/report.html").stat().st_size > 10_000
    pictures = tmp_path / "eights"
    pictures.mkdir()
    digits = load_digits()
    for number, image in enumerate(digits.images[digits.target == 8][:4]):
        Image.fromarray((16 * image).clip(max=255).astype("uint8")).save(pictures / f"{number}.png")
    done = colleague.run(
        "kedro", "run", "--env", "smoke", "--pipeline", "adapt", "--params", f"adapt.images={pictures}"
    )
    assert done.returncode == 0, done.stderr
    assert (colleague.path / "data/07_model_output/adapted_samples/000.png").is_file()
    trained = {"meta_train/train_loss", "classifier/train_loss"}
    assert not any(run.data.metrics.keys() & trained for run in runs(colleague))
    for file in (colleague.path / ".dvc").glob("config*"):
        assert "of the test" not in file.read_text(encoding="utf-8")


@pytest.mark.slow
class TestExperiment:
    """`dvc exp run -S`, and what DVC and MLflow say of it; it leaves its result in the workspace."""

    @pytest.fixture(scope="class")
    def experiment(self, locked: Project) -> Run:
        before = len(runs(locked))
        change = "conf/base/parameters_meta_train.yml:meta_train.learning_rate=0.01"
        done = locked.run("dvc", "exp", "run", "--name", "faster", "--set-param", change)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(runs(locked)) == before + 1
        return runs(locked)[0]

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
        before = len(runs(locked))
        metric = "leaderboard.metric=robust_accuracy"
        done = locked.run("kedro", "run", "--env", "smoke", "--pipeline", "leaderboard", "--params", metric)
        assert done.returncode == 0, done.stderr
        assert len(runs(locked)) == before
        board = pd.read_csv(locked.path / "data/08_reporting/leaderboard.csv")
        assert {"faster", "dvc repro", "smoke"} <= set(board["run"])
        assert board["robust_accuracy"].dropna().is_monotonic_decreasing
        page = (locked.path / "data/08_reporting/leaderboard.html").read_text(encoding="utf-8")
        assert all(link in page for link in board["link"])
