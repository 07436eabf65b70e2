"""A run that is killed at random moments, and run again each time, ends with the weights of an undisturbed one."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

if TYPE_CHECKING:
    from conftest import Project

KILLS, RESUMED, SEED = 20, 4, 0
WEIGHTS = ("meta_model", "joint_gan", "classifier", "natural_classifier")
META_STEPS = 8
PARAMETERS = f"meta_train.meta_steps={META_STEPS},meta_train.validate_every=1,classifier.meta_steps={META_STEPS}"
RUN = ("kedro", "run", "--env", "smoke", "--pipelines", "tasks,embedder,meta_train,classifier", "--params", PARAMETERS)


def weights(project: Project) -> dict[str, dict[str, Any]]:
    """The trained networks, taken away from the project."""
    loaded = {}
    for name in WEIGHTS:
        path = project.path / f"data/06_models/{name}.pt"
        loaded[name] = torch.load(path, weights_only=True)
        path.unlink()
    return loaded


def assert_same(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    for name in WEIGHTS:
        ours, theirs = found[name], expected[name]
        assert ours["state"].keys() == theirs["state"].keys()
        assert all(torch.equal(value, theirs["state"][key]) for key, value in ours["state"].items()), name
        assert ours.get("meta_step") == theirs.get("meta_step")


def begun(project: Project) -> set[str]:
    """Names of the trainings whose last checkpoint is neither of the start nor of the end."""
    names = set()
    for path in (project.path / "data/06_models/checkpoints").glob("*/*/*.ckpt"):
        progress = torch.load(path, weights_only=True)["progress"] if path.name == "last.ckpt" else {}
        if 0 < progress.get("meta_step", 0) < META_STEPS:
            names.add(path.parent.name)
    return names


@pytest.mark.fault_injection
def test_a_run_survives_kill_at_random_moments(copy_project: Callable[[str], Project]) -> None:
    project = copy_project("kill")
    running = project.start(*RUN)
    running.wait_for("Running node")
    started = time.monotonic()
    assert running.process.wait() == 0, running.said()
    seconds = time.monotonic() - started
    expected = weights(project)
    assert leftovers(project.path / "data") == set()

    moments = random.Random(SEED)
    kills, ends, resumed, unfinished, ended = 0, 0, 0, set(), False
    while (more := kills < KILLS or resumed < RESUMED) or not ended:
        running = project.start(*RUN)
        running.wait_for("Running node")
        try:
            # Half the time of a whole run: what has ended is not trained again, so that every stage is reached.
            running.process.wait(moments.uniform(0, seconds / 2) if more else None)
        except subprocess.TimeoutExpired:
            running.kill()
            kills, ended = kills + 1, False
        else:
            assert running.process.returncode == 0, running.said()
            assert_same(weights(project), expected)
            ends, ended = ends + 1, True
        resumed += sum(f"/{name}/last.ckpt" in running.said() for name in unfinished)
        unfinished = begun(project)
        assert kills < 3 * KILLS, f"only {resumed} kills hit a training in its middle"
    assert leftovers(project.path / "data") == set()
    print(f"{kills} kills, {resumed} trainings taken up in their middle, {ends} ends, one run takes {seconds:.0f} s")


def leftovers(folder: Path) -> set[Path]:
    """Half-written files, and checkpoints that nobody needs any more."""
    hidden = {path for path in folder.rglob(".*") if path.name not in (".gitkeep", ".lock")}
    return hidden | set(folder.rglob("*.ckpt")) | set(folder.rglob("*.building-*"))
