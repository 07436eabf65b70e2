"""Whole runs from the command line, in a copy of the project."""

from __future__ import annotations

import base64
import io
import json
import re
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import mlflow
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.entities import Run
from nbclient import NotebookClient
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from metagan.parameters import RunSettings
from metagan.parameters.tasks import SourceName
from metagan.tasks.bank import open_bank
from metagan.tasks.sampling import episode, generation_task
from metagan.training.adapted_generator import adapt_generator, draw
from metagan.training.embedder import load_embedder
from metagan.training.saved import saved_model

if TYPE_CHECKING:
    from conftest import Project

METRICS = {
    "fid", "fjd", "kid", "precision", "recall", "density", "coverage", "recognisability", "diversity", "memorisation",
    "haze", "two_sample", "two_sample_binarised", "two_sample_neighbours", "two_sample_features", "use",
}  # fmt: skip
ADAPTING = {"adapted", "scratch", "fine_tuned"}
WITHOUT_ADAPTATION = ("jittered", "copycat", "real")
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


def processor_seconds() -> float:
    """Of all commands so far; unlike the time on the wall, no other work on the machine adds to it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module")
def smoke(copy_project: Callable[[str], Project]) -> Project:
    """A copy in which `kedro run --env smoke` has been run once."""
    project = copy_project("smoke")
    before = processor_seconds()
    done = project.run("kedro", "run", "--env", "smoke", cold=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert processor_seconds() - before < 60
    return project


@pytest.fixture(scope="module")
def finished(smoke: Project) -> Run:
    (run,) = smoke.runs()
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

        by_themselves = {
            "adapt",
            "augment",
            "bandits",
            "certainty",
            "compare_classifiers",
            "compare_meta_gradients",
            "compare_rules",
            "continual",
            "control",
            "evaluate_speech",
            "invent",
            "leaderboard",
            "one_shot",
            "text",
            "train_with_rule",
        }
        used = RunSettings().model_dump(exclude=by_themselves)
        assert finished.data.params.keys() == leaves(used)
        assert finished.data.params["tasks.source"] == "digits"

    def test_it_holds_every_metric_by_adaptation_step(self, smoke: Project, finished: Run) -> None:
        expected = {f"{arm}/{metric}" for arm in (*ADAPTING, *WITHOUT_ADAPTATION) for metric in METRICS}
        expected |= {"gap_closed", "embedder/accuracy_20way_1shot", "seconds/meta_train", "seconds/adapt_one_task"}
        assert expected <= finished.data.metrics.keys()
        assert any(name.startswith("meta_train/") for name in finished.data.metrics)
        assert any(name.startswith("joint_gan/") for name in finished.data.metrics)
        history = smoke.client.get_metric_history(finished.info.run_id, "adapted/fjd")
        generation = json.loads((smoke.path / "data/08_reporting/generation.json").read_text(encoding="utf-8"))
        assert {point.step: point.value for point in history} == pytest.approx(
            dict(zip(generation["steps"], generation["arms"]["adapted"]["fjd"], strict=True))
        )

    def test_it_holds_pictures_checkpoints_and_the_report(self, smoke: Project, finished: Run) -> None:
        found = smoke.artefacts(finished)
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
        version = smoke.client.get_model_version_by_alias(f"metagan-digits-16-{kind}", "champion")
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
        weights = saved_model(torch.load(smoke.path / "data/06_models/meta_model.pt", weights_only=True))
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
        metrics = json.loads((smoke.path / "data/08_reporting/embedder_metrics.json").read_text(encoding="utf-8"))
        assert generation["embedder"] == metrics["evaluation"] != metrics["objective"]
        assert generation["arms"].keys() == {*ADAPTING, *WITHOUT_ADAPTATION}
        for arm, table in generation["arms"].items():
            assert table.keys() == METRICS
            for values in table.values():
                assert len(values) == len(steps) if arm in ADAPTING else isinstance(values, float)
        assert len(generation["gap_closed"]) == len(steps)
        assert all(generation["seconds"][name] > 0 for name in ("meta_train", "adapt_one_task"))

    def test_the_accuracies_of_the_embedders_are_those_of_the_saved_weights(self, smoke: Project) -> None:
        """On the test classes, of which digits have two; five episodes, as in conf/smoke."""
        metrics = json.loads((smoke.path / "data/08_reporting/embedder_metrics.json").read_text(encoding="utf-8"))
        bank = open_bank(smoke.path / "data/02_intermediate/task_bank")
        for role in ("evaluation", "objective", "judge"):
            path = smoke.path / f"data/06_models/{role}_embedder.pt"
            embedder = load_embedder(saved_model(torch.load(path, weights_only=True)), bank)
            right = []
            for index in range(5):
                drawn = episode(bank, "test", 0, index, 2, 1, 1)
                with torch.no_grad():
                    support, query = (embedder(part.flatten(0, 1)) for part in (drawn.support, drawn.query))
                right += (torch.cdist(query, support).argmin(1) == torch.arange(2)).tolist()
            assert (
                metrics[role]["accuracy_20way_1shot"] == pytest.approx(np.mean(right)) and metrics[role]["n_way"] == 2
            )

    def test_the_report_opens_without_a_network(self, smoke: Project) -> None:
        report = (smoke.path / "data/08_reporting/report.html").read_text(encoding="utf-8")
        assert all(outside not in report for outside in ('src="http', 'href="http', "url(http", "@import"))

    def test_the_report_shows_what_it_was_made_from(self, smoke: Project) -> None:
        report = (smoke.path / "data/08_reporting/report.html").read_text(encoding="utf-8")
        assert open_bank(smoke.path / "data/02_intermediate/task_bank").content_hash in report
        for name in ("meta_model", "joint_gan", "evaluation_embedder", "judge_embedder", "classifier"):
            content = torch.load(smoke.path / f"data/06_models/{name}.pt", weights_only=True)
            assert saved_model(content).content_hash in report, name

    def test_the_report_shows_the_samples_that_were_measured(self, smoke: Project) -> None:
        report = (smoke.path / "data/08_reporting/report.html").read_text(encoding="utf-8")
        sources = re.findall(r'<img src="data:image/png;base64,([^"]*)" alt="class 2: after 1 step"', report)
        with np.load(smoke.path / "data/08_reporting/pictures.npz") as pictures:
            samples = pictures["adapted"][1, 1, :, 0]  # after the second of the steps 0, 1, 2
        assert len(sources) == 1 and samples.shape == (8, 16, 16)
        assert np.array_equal(tiles(decoded(sources[0]), 2, 4).reshape(8, 16, 16), samples)

    def test_git_sees_nothing_of_it(self, smoke: Project) -> None:
        assert smoke.git("status", "--porcelain") == ""

    def test_from_another_folder_the_same_database_is_used(self, smoke: Project) -> None:
        before = len(smoke.runs())
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "report", folder="conf")
        assert done.returncode == 0, done.stderr
        assert len(smoke.runs()) == before + 1
        assert smoke.git("status", "--porcelain") == ""


@pytest.mark.slow
class TestNotebooks:
    """From top to bottom, beside what a run has left, and what they show."""

    @pytest.fixture
    def shown(self, smoke: Project, finished: Run, request: pytest.FixtureRequest) -> dict[str, list[Any]]:
        """Outputs of the notebook whose name has the word, by their kind: pictures (H, W, ...) and HTML."""
        (path,) = (path for path in NOTEBOOKS if request.param in path.stem)
        resources = {"metadata": {"path": str(smoke.path / "notebooks")}}
        book = NotebookClient(nbformat.read(path, 4), timeout=600, kernel_name="python3", resources=resources).execute()
        found = [output.get("data", {}) for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
        assert smoke.git("status", "--porcelain") == ""
        return {
            "image/png": [decoded(data["image/png"]) for data in found if "image/png" in data],
            "image/gif": [base64.b64decode(data["image/gif"]) for data in found if "image/gif" in data],
            "text/html": [data["text/html"] for data in found if "text/html" in data],
        }

    @pytest.mark.parametrize("shown", ["task_distributions"], indirect=True)
    def test_a_row_of_tasks_is_of_one_test_class(self, smoke: Project, shown: dict[str, list[Any]]) -> None:
        bank = open_bank(smoke.path / "data/02_intermediate/task_bank")
        _, tasks = shown["image/png"]
        rows = tiles(tasks[::2, ::2], 4, 8)
        classes = []
        for row in rows:
            belongs = {
                c
                for c in bank.splits["test"]
                if all((image == bank.class_images(c)[:, 0]).all((1, 2)).any() for image in row)
            }
            assert len(belongs) == 1 and len(np.unique(row, axis=0)) == 8
            classes += belongs
        assert set(classes) == set(bank.splits["test"])
        assert all(word in "".join(shown["text/html"]) for word in (bank.content_hash[:40], "train", "val", "test"))

    @pytest.mark.parametrize("shown", ["adapt_to_your_images"], indirect=True)
    def test_the_samples_are_those_of_the_adapted_champion(self, smoke: Project, shown: dict[str, list[Any]]) -> None:
        bank = open_bank(smoke.path / "data/02_intermediate/task_bank")
        weights = saved_model(torch.load(smoke.path / "data/06_models/meta_model.pt", weights_only=True))
        pictures = generation_task(bank, "test", 0, 0, 8, 1).support
        expected, _ = adapt_generator(weights, pictures, 20, 1, 0, progress=False)
        (grid,) = shown["image/png"]
        found = 255 - tiles(grid[::2, ::2], 4, 8).reshape(32, 16, 16)
        assert np.array_equal(found, bank.domain.to_stored(draw(expected, 32, 1))[:, 0])
        (movie,) = shown["image/gif"]
        assert Image.open(io.BytesIO(movie)).n_frames == 21

    @pytest.mark.parametrize("shown", ["compare_runs"], indirect=True)
    def test_the_run_is_there_with_its_numbers(self, finished: Run, shown: dict[str, list[Any]]) -> None:
        (table,) = shown["text/html"]
        lines = [re.findall("<t[hd]>(.*?)</t[hd]>", line) for line in re.findall("<tr.*?>(.*?)</tr>", table, re.DOTALL)]
        (row,) = (dict(zip(lines[0][1:], line[1:], strict=True)) for line in lines if finished.info.run_name in line)
        for column, metric in (("recognisability", "adapted/recognisability"), ("FJD", "adapted/fjd")):
            assert float(row[column]) == pytest.approx(finished.data.metrics[metric], rel=1e-4)
        (chart,) = shown["image/png"]
        assert len(np.unique(chart.reshape(-1, chart.shape[-1]), axis=0)) > 10


def decoded(png: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def tiles(grid: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """(rows, columns, 16, 16) bright drawings of a picture on paper, which has lines between them."""
    assert grid.shape == (rows * 17 - 1, columns * 17 - 1)
    padded = np.pad(255 - grid, ((0, 1), (0, 1))).reshape(rows, 17, columns, 17)
    return padded[:, :16, :, :16].swapaxes(1, 2)


@pytest.mark.slow
class TestBadInput:
    """What is wrong is said in one line, and the MLflow run does not claim success."""

    def test_a_bad_parameter_stops_before_anything_is_written(self, copy_project: Callable[[str], Project]) -> None:
        project = copy_project("bad parameter")
        done = project.run("kedro", "run", "--env", "smoke", "--params", "tasks.source=letters")
        assert done.returncode != 0
        known = ", ".join(map(repr, get_args(SourceName)))
        assert done.stderr.strip() == f"Error: tasks.source: 'letters' is not one of {known}"
        assert not (project.path / "mlflow.db").exists()
        assert [path.name for path in (project.path / "data").rglob("*") if path.is_file()] == [".gitkeep"] * 5

    def test_an_unknown_environment_is_named(self, smoke: Project) -> None:
        done = smoke.run("kedro", "run", "--env", "omniglott")
        assert done.returncode != 0
        assert done.stderr.strip().startswith("Error: --env: 'omniglott' is not one of base, colour, local, omniglot")

    def test_the_shared_server_must_be_named(self, smoke: Project) -> None:
        done = smoke.run("kedro", "run", "--env", "remote", "--pipelines", "tasks")
        assert done.returncode != 0
        said = done.stderr.strip().splitlines()[-1]
        assert said.startswith("Error: conf/remote/mlflow.yml: server.mlflow_tracking_uri: ")
        assert "'MLFLOW_TRACKING_URI' not found" in said

    def test_a_wrong_key_of_tracking_is_named(self, copy_project: Callable[[str], Project]) -> None:
        project = copy_project("wrong key")
        file = project.path / "conf/base/mlflow.yml"
        file.write_text(file.read_text().replace("  experiment:", "  experimnt:"))
        done = project.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks")
        assert done.returncode != 0 and "Traceback" not in done.stderr
        said = "Error: mlflow.yml: tracking.experimnt: unknown parameter; known here are disable_tracking, experiment,"
        assert done.stderr.strip().splitlines()[-1].startswith(said)

    def test_a_failing_node_makes_a_failed_run(self, smoke: Project, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        parameters = f"tasks.source=image_folder,tasks.image_folder.path={tmp_path / 'empty'}"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks", "--params", parameters)
        assert done.returncode != 0
        assert str(tmp_path / "empty") in done.stderr.strip().splitlines()[-1]
        assert smoke.runs()[0].info.status == "FAILED"

    def test_a_truncated_checkpoint_is_named(self, smoke: Project) -> None:
        path = smoke.path / "data/06_models/meta_model.pt"
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "evaluate")
        path.write_bytes(whole)
        assert done.returncode != 0
        assert "meta_model.pt: damaged" in done.stderr.strip().splitlines()[-1]
        assert smoke.runs()[0].info.status == "FAILED"

    def test_a_checkpoint_of_another_architecture_is_refused(self, smoke: Project) -> None:
        other = "meta_train.networks.generator_width=16"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "evaluate", "--params", other)
        assert done.returncode != 0
        assert "generator_width" in done.stderr.strip().splitlines()[-1]
        assert smoke.runs()[0].info.status == "FAILED"

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
        assert smoke.runs()[0].info.status == "KILLED"


@pytest.fixture(scope="module")
def compared(smoke: Project) -> Run:
    pipelines = "compare_classifiers,compare_meta_gradients"
    done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", pipelines)
    assert done.returncode == 0, done.stdout + done.stderr
    return smoke.latest_command()


@pytest.mark.slow
class TestComparisons:
    """Both comparisons in one run, on the task bank and the embedders that are there."""

    def test_each_arm_is_a_finished_run_nested_in_that_of_the_command(self, smoke: Project, compared: Run) -> None:
        nested = smoke.nested_in(compared)
        assert nested.keys() == ARMS | {"maml", "fomaml", "reptile"}
        assert {run.info.status for run in (compared, *nested.values())} == {"FINISHED"}
        for name, run in nested.items():
            if name in ARMS:
                method, adversary = name.split()
                attacked = {"none": "none", "aq": "query"}[adversary]
                assert run.data.params == {
                    "classifier.method": method,
                    "classifier.adversary.where": attacked,
                    "seed": "0",
                }

    def test_the_classifiers_have_a_row_for_each_method(self, smoke: Project, compared: Run) -> None:
        table = pd.read_csv(smoke.path / "data/08_reporting/classifiers.csv")
        assert {f"{row.method} {row.adversary}" for row in table.itertuples()} == ARMS
        assert (table["episodes"] == 2).all()
        assert table["robust_accuracy"].is_monotonic_decreasing and (table["epsilon"] == 0.1).all()
        runs = smoke.nested_in(compared)
        for row in table.itertuples():
            run = runs[f"{row.method} {row.adversary}"]
            points = smoke.client.get_metric_history(run.info.run_id, "classifier/2way_1shot/pgd_linf")
            assert {point.step: point.value for point in points} == {0: row.natural_accuracy, 100: row.robust_accuracy}
            assert run.data.metrics["classifier/2way_1shot/accuracy"] == row.natural_accuracy
        page = (smoke.path / "data/08_reporting/classifiers.html").read_text(encoding="utf-8")
        assert all(f"<strong>{name} (inductive)</strong>" in page for name in ARMS)

    def test_the_meta_gradients_have_a_row_for_each_step_and_a_picture(
        self, smoke: Project, compared: Run, load_parameters: Callable[..., dict[str, Any]]
    ) -> None:
        budget = load_parameters("smoke")["compare_meta_gradients"]
        table = pd.read_csv(smoke.path / "data/08_reporting/meta_gradients.csv")
        assert set(zip(table["arm"], table["step"], strict=True)) == {
            (arm, step) for arm in ("maml", "fomaml", "reptile") for step in (0, 1, 2)
        }
        assert (table["meta_steps"] > 0).all()
        assert (table["seconds"] >= 60 * budget["minutes"]).all()
        assert {"classifiers.csv", "classifiers.html", "meta_gradients.csv"} <= smoke.artefacts(compared)

    def test_the_picture_of_the_meta_gradients_has_the_support_images_and_samples_of_each(
        self, smoke: Project, compared: Run
    ) -> None:
        """Three of each: the support set, then for each arm samples after one step and after two."""
        bank = open_bank(smoke.path / "data/02_intermediate/task_bank")
        picture = np.asarray(Image.open(smoke.path / "data/08_reporting/meta_gradients.png"))
        found = tiles(picture[::2, ::2], 6, 3 + 3 * 2 * 3)
        for index, row in enumerate(found):
            support = generation_task(bank, "test", 0, index, 4, 8).support[:3]
            assert np.array_equal(row[:3], bank.domain.to_stored(support)[:, 0])
        maml, fomaml, reptile = found[:, 3:].reshape(6, 3, 2 * 3, 16, 16).swapaxes(0, 1)
        assert not np.array_equal(maml, fomaml) and not np.array_equal(fomaml, reptile)


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
        parent = smoke.latest_command()
        assert parent.info.run_id != compared.info.run_id
        arms, expected = smoke.nested_in(parent), smoke.nested_in(compared)
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
    def shared(self, request: pytest.FixtureRequest, smoke: Project, finished: Run) -> Run:
        """The run of two processes."""
        before = len(smoke.runs())
        two = f"trainer.devices=2,trainer.strategy={request.param}"
        done = smoke.run("kedro", "run", "--env", "smoke", "--pipelines", "meta_train", "--params", two)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(smoke.runs()) == before + 1
        return smoke.runs()[0]

    def test_there_is_one_run_with_every_metric_once(self, smoke: Project, finished: Run, shared: Run) -> None:
        assert shared.info.status == "FINISHED"
        trained = {name for name in finished.data.metrics if name.startswith(("meta_train/", "joint_gan/"))}
        assert shared.data.metrics.keys() == trained
        for name in trained:
            steps = [
                [point.step for point in smoke.client.get_metric_history(of.info.run_id, name)]
                for of in (shared, finished)
            ]
            assert steps[0] == steps[1]
        names = ("checkpoints/meta_model.pt", "checkpoints/joint_gan.pt", "training_history.csv", "joint_history.csv")
        assert {name for name in smoke.artefacts(shared) if not name.startswith("images/")} == set(names)
        assert not list((smoke.path / "data/06_models/checkpoints").rglob("*.ckpt"))

    def test_the_weights_are_those_of_one_process(
        self, smoke: Project, finished: Run, shared: Run, tmp_path: Path
    ) -> None:
        """But for rounding, which Adam's first steps amplify where a gradient is next to 0."""
        two, one = (meta_weights(smoke, run, tmp_path / run.info.run_id) for run in (shared, finished))
        for name, value in two.items():
            torch.testing.assert_close(value, one[name], rtol=1e-3, atol=1e-3)


def meta_weights(project: Project, run: Run, folder: Path) -> dict[str, Tensor]:
    """The meta-model that a run has kept."""
    folder.mkdir()
    path = project.client.download_artifacts(run.info.run_id, "checkpoints/meta_model.pt", str(folder))
    return torch.load(path, weights_only=True)["state"]
