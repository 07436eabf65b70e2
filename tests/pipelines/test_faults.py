"""Ctrl-C and a full disk in the middle of a training."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from conftest import Project

STAGES = ("kedro", "run", "--env", "smoke", "--pipelines")
STEPS = 60
ONE_LOOK = ("--params", f"meta_train.meta_steps={STEPS},meta_train.validate_every={STEPS}")  # at the end

pytestmark = pytest.mark.fault_injection


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    """A copy in which everything has been trained."""
    project = copy_project("faults")
    done = project.run(*STAGES, "tasks,embedder,meta_train")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def checkpoint(project: Project) -> Path | None:
    return next((project.path / "data/06_models/checkpoints/meta_model").glob("*/last.ckpt"), None)


def test_ctrl_c_keeps_the_checkpoint_and_the_next_run_goes_on(project: Project) -> None:
    before = project.runs()[0].info.run_id
    running = project.start(*STAGES, "meta_train", *ONE_LOOK)
    while (run := project.runs()[0]).info.run_id == before or "meta_train/train_loss" not in run.data.metrics:
        assert running.process.poll() is None, running.said()
        time.sleep(0.05)
    pressed = time.time()
    running.press_ctrl_c()
    assert running.process.wait() != 0
    assert project.runs()[0].info.status == "KILLED"
    kept = checkpoint(project)
    assert kept is not None
    assert kept.stat().st_mtime >= pressed
    assert 0 < torch.load(kept, weights_only=True)["progress"]["meta_step"] < STEPS
    again = project.start(*STAGES, "meta_train", *ONE_LOOK)
    assert again.process.wait() == 0, again.said()
    assert f"going on from {kept}" in again.said()
    assert project.runs()[0].info.status == "FINISHED"


def test_ctrl_c_ends_the_runs_of_trainings_side_by_side(project: Project) -> None:
    endless = "compare_classifiers.side_by_side=2,classifier.meta_steps=100000"
    running = project.start(*STAGES, "compare_classifiers", "--params", endless)
    running.wait_for("Running node: compare_classifiers")
    while sum("train_loss" in run.data.metrics for run in project.runs()) < 2:
        assert running.process.poll() is None, running.said()
        time.sleep(0.2)
    running.press_ctrl_c()
    assert running.process.wait() != 0
    parent = project.latest_command()
    arms = project.nested_in(parent)
    assert {parent.info.status, *(arm.info.status for arm in arms.values())} == {"KILLED"}
    assert len(arms) == 4


@pytest.fixture
def full_disk(project: Project) -> Iterator[Path]:
    """The folder of models on a disk of its own, without room."""
    models, aside = project.path / "data/06_models", project.path / "data/aside"
    shutil.copytree(models, aside)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(models)], capture_output=True).returncode:
        shutil.rmtree(aside)
        pytest.skip("only root can mount a small disk")
    try:
        shutil.copytree(aside, models, dirs_exist_ok=True)
        with pytest.raises(OSError, match="No space left"), open(models / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 12))
        yield models
    finally:
        subprocess.run(["umount", str(models)], check=True)
        shutil.rmtree(aside)


def test_a_full_disk_is_named_and_earlier_results_stay(project: Project, full_disk: Path) -> None:
    before = {path: path.read_bytes() for path in full_disk.glob("*.pt")}
    done = project.run(*STAGES, "meta_train")
    assert done.returncode != 0
    last_line = done.stderr.strip().splitlines()[-1]
    assert last_line.startswith("Error: [Errno 28] No space left on device")
    assert str(full_disk) in last_line
    assert {path: path.read_bytes() for path in full_disk.glob("*.pt")} == before
    assert project.runs()[0].info.status == "FAILED"
