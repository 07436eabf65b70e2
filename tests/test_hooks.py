from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pytest
from joblib import Parallel, delayed
from kedro.io import DataCatalog
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_GIT_DIRTY

from metagan.checks import InputError
from metagan.evaluation.confidence import mean_and_ci95
from metagan.hooks import FOREIGN, ErrorHook, TrackingHook, _git_state, run_name
from metagan.io import JSONDataset, TaskBankDataset, WeightsDataset
from metagan.parameters import ClassFolders, Tasks
from metagan.tasks import splits
from metagan.tasks.bank import open_bank, plan_bank


def shown(action: Callable[[], object]) -> str | None:
    """The one line for what goes wrong in a run, or None where the traceback stays."""
    with pytest.raises(Exception) as caught:
        action()
    try:
        ErrorHook().on_pipeline_error(caught.value)
    except InputError as error:
        return error.format_message()
    return None


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    assert shown(lambda: splits.at_random(4, 3, 1, seed=0)) == (
        "the test split needs at least 1 class, but of 4 classes it gets 0"
    )
    assert shown(lambda: open_bank(tmp_path / "two\nlines")) == (
        f"there is no task bank in {tmp_path}/two lines: build it with kedro run --pipelines tasks"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_picture_is_one_line_however_many_processes_draw(workers: int, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"class {number}").mkdir()
        for picture in ("1.png", "2.png"):
            (tmp_path / f"class {number}" / picture).write_bytes(b"no picture")
    tasks = Tasks(source="image_folder", image_folder=ClassFolders(path=tmp_path), workers=workers)
    catalog = DataCatalog({"task_bank": TaskBankDataset(str(tmp_path / "bank"))})
    line = shown(lambda: catalog.save("task_bank", plan_bank(tasks, 0, tmp_path)))
    assert line is not None
    assert line.startswith(f"{tmp_path}/class ")
    assert ".png cannot be read as a picture: " in line


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    assert shown(JSONDataset(filepath=str(path)).load) == f"[Errno 2] No such file or directory: '{path}'"
    assert shown(WeightsDataset(str(path)).load) == f"there is no {path}: train it, with kedro run"


def test_a_damaged_checkpoint_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"no model")
    assert shown(WeightsDataset(str(path)).load) == f"{path}: damaged, or no checkpoint of metagan; train again"


@pytest.mark.parametrize("prefer", ["processes", "threads"])
def test_what_a_worker_says_is_one_line_only_where_a_person_can_mend_it(prefer: str) -> None:
    workers = Parallel(n_jobs=2, prefer=prefer)
    assert shown(lambda: workers(delayed(splits.at_random)(3, 3, 1, seed) for seed in range(2))) == (
        "the test split needs at least 1 class, but of 3 classes it gets -1"
    )
    assert shown(lambda: workers(delayed(mean_and_ci95)([0.5]) for _ in range(2))) is None


def test_a_killed_worker_is_one_line() -> None:
    line = shown(lambda: Parallel(n_jobs=2)(delayed(os._exit)(1) for _ in range(2)))
    assert line is not None and line.startswith("A worker process managed by the executor was unexpectedly terminated")


@pytest.mark.parametrize(
    "defect",
    [
        lambda _: mean_and_ci95([0.5]),
        lambda _: np.zeros(2) + np.zeros(3),
        lambda _: splits.at_random(4, train=2, val=1, seed=-1),
        lambda folder: JSONDataset(filepath=str(folder / "table.json")).save(object()),
    ],
)
def test_a_defect_keeps_its_traceback(defect: Callable[[Path], object], tmp_path: Path) -> None:
    assert shown(lambda: defect(tmp_path)) is None


@pytest.mark.parametrize(
    ("env", "pipelines", "parameters", "name"),
    [
        (None, None, None, "default"),
        ("omniglot", None, None, "omniglot"),
        ("smoke", ["tasks", "embedder"], {"seed": 1}, "smoke embedder tasks seed=1"),
        (None, None, {"adapt": {"images": "DIR"}, "meta_train": {"inner": {"steps": 5}}}, "images=DIR steps=5"),
    ],
)
def test_a_run_is_named_by_what_was_typed(
    env: str | None, pipelines: list[str] | None, parameters: dict[str, Any] | None, name: str
) -> None:
    assert run_name({"env": env, "pipeline_names": pipelines, "runtime_params": parameters}) == name


def test_a_repository_around_the_project_says_nothing_of_it(tmp_path: Path) -> None:
    project = tmp_path / "theirs" / "metagan"
    project.mkdir(parents=True)
    (project / "pyproject.toml").touch()

    def git(*arguments: str) -> None:
        author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *author, *arguments], cwd=tmp_path / "theirs", check=True, capture_output=True)

    git("init", "--quiet")
    git("commit", "--allow-empty", "--message", "theirs")
    assert _git_state(project) == {}
    git("add", "metagan")
    git("commit", "--message", "ours, in a larger repository")
    assert _git_state(project)[MLFLOW_GIT_DIRTY] == "false"


@pytest.mark.parametrize("known", [True, False])
def test_what_mlflow_says_of_a_foreign_repository_is_taken_back(
    known: bool, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {MLFLOW_GIT_COMMIT: "ours", MLFLOW_GIT_DIRTY: "false"} if known else {}
    monkeypatch.setattr("metagan.hooks._git_state", lambda _: tags)
    monkeypatch.setattr("metagan.hooks._end_as_killed_when_interrupted", lambda: None)
    monkeypatch.setattr(TrackingHook, "_overrides", lambda _: {})
    hook = TrackingHook()
    run = SimpleNamespace(name="a run")
    hook.context = SimpleNamespace(project_path=Path(), mlflow=SimpleNamespace(tracking=SimpleNamespace(run=run)))
    around = hook.before_pipeline_run({})
    next(around)
    with mlflow.start_run(experiment_id=experiment, tags={tag: "theirs" for tag in FOREIGN}) as started:
        with pytest.raises(StopIteration):
            around.send(None)
        found = mlflow.get_run(started.info.run_id).data.tags
    expected = dict.fromkeys(FOREIGN, "theirs") | tags if known else {}
    assert {tag: found[tag] for tag in (*FOREIGN, MLFLOW_GIT_DIRTY) if tag in found} == expected
