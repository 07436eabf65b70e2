"""The train_with_rule pipeline as a person runs it, in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

KEDRO = ("kedro", "run", "--env", "smoke", "--pipelines")


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    copy = copy_project("whole")
    done = copy.run(*KEDRO, "tasks,embedder,train_with_rule")
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.slow
def test_it_leaves_rows_a_page_a_controller_and_metrics(project: Project) -> None:
    results = json.loads((project.path / "data/08_reporting/whole_training.json").read_text())
    rows = results["whole_training"]
    assert len(rows) == 5 * 3 * 2 and {row["policy"] for row in rows} == {"fixed", "untrained", "controller"}
    assert all(len(row["frechet"]) == len(results["steps"]) == 3 for row in rows)
    assert "Discriminator twice as wide" in (project.path / "data/08_reporting/whole_training.html").read_text()
    metrics = project.latest_command().data.metrics
    (row,) = (row for row in rows if (row["setting"], row["policy"], row["seed"]) == ("no R1", "controller", 1))
    assert metrics["whole_training/no_R1/controller/1/frechet"] == pytest.approx(row["final"])
    assert "whole_training/log_distance" in metrics
    artefacts = project.artefacts(project.latest_command())
    assert {"whole_training.json", "whole_training.html", "checkpoints/training_controller.pt"} <= artefacts
    assert not list((project.path / "data/06_models/checkpoints/training_controller").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("train_with_rule.measure_every=3", "train_with_rule.measure_every: must be a multiple of gan.interval = 1"),
        ("train_with_rule.gan.classes=30", "train_with_rule.gan.classes: 30, but the"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(project: Project, parameter: str, message: str) -> None:
    refused = project.run(*KEDRO, "train_with_rule", "--params", parameter)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert message in " ".join(refused.stderr.split())
