"""Variables by which torchrun, srun or jsrun say that a process is one of several."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import lightning as L
import pytest
from kedro.config import OmegaConfigLoader
from kedro_mlflow.framework.hooks.mlflow_hook import mlflow_hook
from lightning.pytorch.utilities import rank_zero_only
from pluggy import PluginManager

from metagan.errors import UserError
from metagan.parameters import Trainer
from metagan.scheduler import RANKS, READ_BY_LIGHTNING, is_helper, variables

if TYPE_CHECKING:
    from conftest import Project

ROOT = Path(__file__).parents[1]
TWO = Trainer(devices=2, strategy="ddp")


@pytest.fixture(autouse=True)
def _no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    for name in READ_BY_LIGHTNING:
        monkeypatch.setenv(name, "")  # what the test deletes is restored
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", READ_BY_LIGHTNING)
@pytest.mark.parametrize("trainer", [Trainer(), Trainer(devices=2, strategy="ddp_fork")])
def test_a_process_that_nobody_asked_for_help_is_no_helper(
    name: str, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setenv(name, "4")
    monkeypatch.setattr(rank_zero_only, "rank", 4 if name in RANKS else 0)
    assert not is_helper(trainer)
    assert rank_zero_only.rank == 0
    assert variables() == []
    assert not is_helper(trainer)
    assert [record.message.partition(":")[0] for record in caplog.records] == [name], "said once"
    assert L.Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False).world_size == 1


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_that_were_asked_for_all_but_the_first_help(
    name: str, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(rank))
    assert is_helper(TWO) == (rank == 1)
    assert os.environ[name] == str(rank)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_NTASKS", "JSM_NAMESPACE_SIZE"])
def test_another_number_of_processes_than_was_asked_for_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setenv(name, "2")
    assert is_helper(TWO)
    monkeypatch.setenv(name, "4")
    with pytest.raises(UserError, match=rf"devices x num_nodes is 2, but {name} says that 4 processes were started"):
        is_helper(TWO)


@pytest.mark.parametrize(
    ("trainer", "helps"), [({}, False), ({"devices": 2}, False), ({"devices": 2, "strategy": "ddp"}, True)]
)
def test_only_a_helper_loses_the_hooks_that_write(
    trainer: dict[str, object], helps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metagan import settings

    monkeypatch.setenv("RANK", "1")
    hooks = PluginManager("kedro")
    hooks.register(mlflow_hook)
    parameters = {"trainer": trainer}
    loader = OmegaConfigLoader(str(ROOT / "conf"), runtime_params=parameters, **settings.CONFIG_LOADER_ARGS)
    settings.CONTEXT_CLASS(
        project_path=ROOT, config_loader=loader, env=None, package_name="metagan", hook_manager=hooks
    )
    found = {type(hook).__name__ for hook in hooks.get_plugins()}
    writing = {"DatabaseHook", "LockHook", "BatchingMlflowHook", "TrackingHook", "TrainingHook", "WriterHook"}
    assert "ErrorHook" in found and "MlflowHook" not in found
    assert found & writing == (set() if helps else writing)
    assert ("HelperHook" in found) == helps


@pytest.mark.slow
def test_a_run_under_a_scheduler_does_its_work(copy_project: Callable[[str], Project]) -> None:
    project = copy_project("scheduler")
    variables = {"RANK": "1", "SLURM_PROCID": "1", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "sweep"}
    done = project.run("kedro", "run", "--env", "smoke", "--pipelines", "tasks,classifier", **variables)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 0, said
    assert said.count("RANK, SLURM_PROCID, SLURM_NTASKS: ignored, since one process was asked for") == 1
    assert (project.path / "data/06_models/classifier.pt").exists()
    (run,) = project.runs()
    assert run.info.status == "FINISHED"
    assert "checkpoints/classifier.pt" in project.artefacts(run)
