"""A bank that was built anew under trained models, as `kedro run` tells it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

RUN = ("kedro", "run", "--env", "smoke", "--pipelines")


@pytest.mark.slow
def test_models_of_another_bank_are_refused_in_one_line(
    copy_project: Callable[[str], Project], trained: Project
) -> None:
    project = copy_project("identity")
    shutil.copytree(trained.path / "data", project.path / "data", dirs_exist_ok=True)

    def bank_hash() -> str:
        return json.loads((project.path / "data/02_intermediate/task_bank/bank.json").read_text())["content_hash"][:8]

    before = bank_hash()
    assert project.run(*RUN, "tasks", "--params", "seed=7").returncode == 0
    refused = project.run(*RUN, "evaluate,report")
    assert refused.returncode != 0
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith(f"Error: evaluate: the task_bank is {bank_hash()}, but evaluation_embedder, ")
    assert last.endswith(
        f"meta_model, joint_gan were made from {before}: run embedder,meta_train again, or tasks with the seed and "
        "parameters of before"
    )
    assert "Traceback" not in refused.stderr
    again = project.run(*RUN, "meta_train")
    assert "Error: meta_train: the task_bank is" in again.stderr
    assert "run embedder again" in again.stderr
