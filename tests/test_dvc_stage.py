from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext

from metagan import dvc_stage
from metagan.checks import InputError
from metagan.hooks import LockHook

if TYPE_CHECKING:
    from conftest import Project


def context(
    project: Path, env: str | None = None, parameters: dict[str, object] | None = None, **files: str
) -> KedroContext:
    """What the hooks get for a project with these files in conf/local."""
    for folder in ("base", "local", "smoke", "remote"):
        (project / "conf" / folder).mkdir(parents=True)
    (project / "conf/smoke/parameters.yml").touch()
    (project / "conf/remote/mlflow.yml").touch()
    for name, text in files.items():
        (project / "conf/local" / f"{name}.yml").write_text(text, encoding="utf-8")
    loader = OmegaConfigLoader(
        conf_source=str(project / "conf"),
        env=env,
        runtime_params=parameters,
        base_env="base",
        default_run_env="local",
    )
    return KedroContext(project_path=project, config_loader=loader, env=env, package_name="metagan", hook_manager=None)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC started this process."""
    monkeypatch.setenv("DVC_STAGE", "meta_train")


@pytest.mark.usefixtures("stage")
def test_a_stage_refuses_parameters_that_dvc_cannot_see(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        LockHook().after_context_created(context(tmp_path, parameters={"seed": 1}, parameters_mine="seed: 1"))
    message = refusal.value.format_message()
    assert "conf/local/parameters_mine.yml, --params" in message
    assert "dvc exp run -S conf/base/" in message
    assert "\n" not in message


@pytest.mark.usefixtures("stage")
def test_a_stage_refuses_a_folder_that_dvc_cannot_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAGAN_IMAGE_FOLDER", "/my/classes")
    with pytest.raises(InputError, match="without knowing of METAGAN_IMAGE_FOLDER"):
        LockHook().after_context_created(context(tmp_path))


@pytest.mark.usefixtures("stage")
def test_a_stage_takes_another_tracking_server_or_an_environment_of_dvc_yaml(tmp_path: Path) -> None:
    LockHook().after_context_created(context(tmp_path / "server", mlflow="server: {}", credentials="{}"))
    LockHook().after_context_created(context(tmp_path / "environment", env="smoke", parameters_mine="seed: 1"))


def test_outside_dvc_overrides_are_told_not_refused(tmp_path: Path) -> None:
    run = context(tmp_path / "all", env="smoke", parameters={"seed": 1})
    LockHook().after_context_created(run)
    assert dvc_stage.overrides(run) == ["--env smoke", "--params"]
    assert dvc_stage.overrides(context(tmp_path / "catalog", catalog="{}")) == ["conf/local/catalog.yml"]
    assert dvc_stage.overrides(context(tmp_path / "none")) == []
    assert dvc_stage.overrides(context(tmp_path / "server", env="remote")) == []


def test_the_hash_of_the_task_bank_is_what_dvc_lock_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dvc_stage.task_bank_hash(tmp_path) is None
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages: {embedder: {outs: []}}\n", encoding="utf-8")
    assert dvc_stage.task_bank_hash(tmp_path) is None
    lock.write_text(
        "schema: '2.0'\n"
        "stages:\n"
        "  tasks:\n"
        "    outs:\n"
        "    - {path: data/08_reporting/data_card.json, md5: 1f, size: 2}\n"
        "    - {path: data/02_intermediate/task_bank, md5: 2e.dir, size: 3, nfiles: 2}\n",
        encoding="utf-8",
    )
    assert dvc_stage.task_bank_hash(tmp_path) == "2e.dir"
    monkeypatch.setenv("DVC_STAGE", "tasks")
    assert dvc_stage.task_bank_hash(tmp_path) is None, "the bank that dvc.lock speaks of is being replaced"


def test_two_experiments_of_one_process_are_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for experiment in ("first", "second"):
        monkeypatch.setenv("DVC_EXP_NAME", experiment)
        names.add(dvc_stage.reproduction())
    monkeypatch.delenv("DVC_EXP_NAME")
    assert len(names | {dvc_stage.reproduction()}) == 3


IMAGE_FOLDER = "tasks: {{source: image_folder, image_folder: {{path: {path}}}}}"


@pytest.mark.parametrize(
    ("stage", "path", "named", "told"),
    [
        ("tasks", "/my/classes", "data/01_raw/.gitkeep", True),
        ("tasks", "/my/classes", "/my/classes/", False),
        ("tasks", "classes", "classes", False),
        ("tasks", "classes", "other", True),
        ("embedder", "/my/classes", "data/01_raw/.gitkeep", False),
    ],
)
def test_the_bank_is_not_drawn_from_pictures_that_dvc_does_not_look_at(
    stage: str, path: str, named: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", stage)
    run = context(tmp_path, env="smoke")
    (tmp_path / "conf/smoke/parameters.yml").write_text(IMAGE_FOLDER.format(path=path), encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(f"vars: [{{env: smoke}}, {{pictures: {named}}}]\n", encoding="utf-8")
    if not told:
        return LockHook().after_context_created(run)
    with pytest.raises(InputError, match=r"^DVC would not see another picture in .*: name the folder in dvc\.yaml"):
        LockHook().after_context_created(run)


def test_dvc_sees_a_new_picture_and_another_environment(copy_project: Callable[[str], Project], tmp_path: Path) -> None:
    """With outputs that stand for those of a run: `dvc status` says which stages `dvc repro` would run."""
    project, classes = copy_project("seen"), tmp_path / "classes"
    file = project.path / "dvc.yaml"
    text = file.read_text(encoding="utf-8").replace("pictures: data/01_raw/.gitkeep", f"pictures: {classes}")
    file.write_text(text.replace("env: local", "env: smoke"), encoding="utf-8")
    for name in ("a/1.png", "b/1.png"):
        (classes / name).parent.mkdir(parents=True)
        (classes / name).write_bytes(name.encode())
    stages = yaml.safe_load(text)["stages"]
    outs = [out for stage in stages.values() for out in (*stage["outs"], *stage.get("metrics", []))]
    for out in (out if isinstance(out, str) else next(iter(out)) for out in outs):
        (project.path / out).parent.mkdir(parents=True, exist_ok=True)
        (project.path / out).write_text(out)

    def changed() -> set[str]:
        done = project.run("dvc", "status", "--json")
        assert done.returncode == 0, done.stderr
        return set(json.loads(done.stdout))

    assert project.run("dvc", "commit", "--force", "--quiet").returncode == 0
    assert changed() == set()
    (classes / "a/2.png").write_bytes(b"2")
    assert changed() == {"tasks"}
    (project.path / "requirements.lock").write_text("another==1.0\n", encoding="utf-8")
    assert changed() == set(stages)
