"""The continual pipeline as a person runs it, in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

KEDRO = ("kedro", "run", "--env", "smoke", "--pipelines")
ARMS = ["iid", "none", "generated", "reservoir", "ewc"]


@pytest.fixture(scope="module")
def project(copy_project: Callable[[str], Project]) -> Project:
    copy = copy_project("continual")
    done = copy.run(*KEDRO, "tasks,embedder,continual")
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.slow
def test_it_leaves_matrices_a_page_and_metrics(project: Project) -> None:
    results = json.loads((project.path / "data/08_reporting/continual.json").read_text())
    assert list(results["arms"]) == ARMS and [phase["held_back"] for phase in results["phases"]] == [2, 2]
    metrics = project.latest_command().data.metrics
    for arm, own in results["arms"].items():
        (before, _), (last, other) = own["fjd"]["matrix"]
        assert own["fjd"]["average"] == pytest.approx((last + other) / 2)
        assert metrics[f"continual/{arm}/fjd/forgetting"] == pytest.approx(last - before)
        assert metrics[f"continual/{arm}/fjd/phase_2"] == pytest.approx(other)
    assert "replay of generated tasks" in (project.path / "data/08_reporting/continual.html").read_text()
    assert {"continual.json", "continual.html"} <= project.artefacts(project.latest_command())
    assert not list((project.path / "data/06_models/checkpoints/continual").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("continual.stream.order=random", "continual.stream.order: 'random' is not one of 'iid', 'phases', 'drift'"),
        ("continual.kinds=[magic]", "continual.kinds.0: 'magic' is not one of 'none', 'reservoir', 'ewc', 'generated'"),
        ("continual.stream.by=group", "continual.stream.phases: 2, but the train classes of digits are of 1 group"),
        (
            "continual.reservoir.tasks=3",
            "continual.reservoir.tasks: 3 of 8 images (k_shot + n_query) are 24, more than",
        ),
        ("continual.generated.classes=2", "continual.generated.classes: 2 of each phase are to be kept, but"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(project: Project, parameter: str, message: str) -> None:
    refused = project.run(*KEDRO, "continual", "--params", parameter)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert message in " ".join(refused.stderr.split())
