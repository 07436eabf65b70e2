"""What a `kedro run` knows when it is a stage of `dvc repro` or `dvc exp run`, and what DVC does not know of it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import yaml
from kedro.framework.context import KedroContext

from metagan.parameters.folder import local_path

IMAGE_FOLDER = "METAGAN_IMAGE_FOLDER"
TASK_BANK = "data/02_intermediate/task_bank"
PICTURES = "pictures"
"""The variable in dvc.yaml that names the folder of an image_folder."""


def is_stage() -> bool:
    """Whether DVC started this process."""
    return "DVC_STAGE" in os.environ


def experiment() -> str | None:
    """The name of the `dvc exp run` that this stage belongs to."""
    return os.environ.get("DVC_EXP_NAME")


def reproduction() -> str:
    """A name of this `dvc repro` or experiment: its process, and the experiment's name.

    dvc.yaml says `exec` so that no shell stands between DVC and this process.
    """
    parent = psutil.Process(os.getppid())
    return " ".join(filter(None, [str(parent.pid), f"{parent.create_time():.0f}", experiment()]))


def task_bank_hash(project_path: Path) -> str | None:
    """DVC's hash of the task bank as dvc.lock has it; None before it is there, so in the stage that draws the bank."""
    if os.environ.get("DVC_STAGE") == "tasks":
        return None
    lock = project_path / "dvc.lock"
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"] if lock.exists() else {}
    outs = stages.get("tasks", {}).get("outs", [])
    return next((out["md5"] for out in outs if out["path"] == TASK_BANK), None)


def overrides(context: KedroContext) -> list[str]:
    """What this run adds to conf/base without DVC seeing it; a stage's environment is part of dvc.yaml, so seen."""
    loader = context.config_loader
    environment = loader.env or loader.default_run_env
    folder = Path(loader.conf_source) / environment
    patterns = [pattern for kind in ("catalog", "parameters") for pattern in loader.config_patterns[kind]]
    files = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    found = []
    if environment == loader.default_run_env:
        found += sorted(str(path.relative_to(context.project_path)) for path in files)
    elif environment != loader.base_env and files and not is_stage():
        found.append(f"--env {environment}")
    if loader.runtime_params:
        found.append("--params")
    if os.environ.get(IMAGE_FOLDER):
        found.append(IMAGE_FOLDER)
    return found


def unseen_pictures(context: KedroContext) -> Path | None:
    """The folder of pictures that this stage would draw, where dvc.yaml does not name it."""
    if os.environ.get("DVC_STAGE") != "tasks":
        return None
    tasks = context.config_loader["parameters"].get("tasks", {})
    if tasks.get("source") != "image_folder" or not (path := tasks.get("image_folder", {}).get("path")):
        return None
    described = yaml.safe_load((context.project_path / "dvc.yaml").read_text(encoding="utf-8"))
    named = {}
    for variables in described.get("vars", []):
        named |= variables if isinstance(variables, dict) else {}
    folder, seen = (context.project_path / local_path(str(name)) for name in (path, named.get(PICTURES, "")))
    return None if folder.resolve() == seen.resolve() else folder
