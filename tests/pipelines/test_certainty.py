"""The pipeline evaluate_certainty from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture(scope="module")
def certain(trained: Project) -> Project:
    """The copy in which classifiers have been trained and asked."""
    done = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "classifier,evaluate_certainty")
    assert done.returncode == 0, done.stdout + done.stderr
    return trained


@pytest.mark.slow
def test_every_classifier_and_way_of_being_sure_has_a_row(certain: Project) -> None:
    table = json.loads((certain.path / "data/08_reporting/certainty.json").read_text(encoding="utf-8"))
    ways = [(row["classifier"], row["way"], row["temperature"] == 1) for row in table["rows"]]
    kinds = [(way, plain) for way in ("single", "ensemble", "posterior", "amortised") for plain in (True, False)]
    assert ways == [(name, *kind) for name in ("classifier", "natural_classifier") for kind in kinds]
    assert table["made_from"].keys() >= {"task_bank", "classifier", "natural_classifier"}
    run = certain.runs()[0]
    found = run.data.metrics["certainty/natural_classifier/amortised_tempered/calibration_error"]
    assert found == table["rows"][-1]["calibration_error"]["mean"]
    assert table["rows"][0]["foreign_auroc"] == {}  # of two test classes an episode leaves none, and all are digits
    plain, tempered = table["rows"][:2]
    assert plain["accuracy"] == tempered["accuracy"]  # a temperature changes how sure, and not what


@pytest.mark.slow
def test_classes_too_few_are_told(certain: Project) -> None:
    refused = certain.run(
        "kedro", "run", "--env", "smoke", "--pipelines", "evaluate_certainty", "--params", "certainty.n_way=3"
    )
    assert refused.returncode == 1
    assert "3 classes are needed (n_way), but split 'val' has 2 to draw from" in refused.stderr


@pytest.mark.slow
def test_images_too_few_are_told(certain: Project) -> None:
    refused = certain.run(
        "kedro", "run", "--env", "smoke", "--pipelines", "evaluate_certainty", "--params", "certainty.n_query=500"
    )
    assert refused.returncode == 1
    assert "500" in refused.stderr and "Traceback" not in refused.stderr
