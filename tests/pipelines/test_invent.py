"""The pipelines invent and evaluate_invention from the command line, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from PIL import Image

from metagan.errors import UserError
from metagan.pipelines.evaluate_invention.nodes import check_table, metrics
from metagan.reporting.figures import groups_picture
from metagan.tasks.bank import TaskBank, open_bank

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture(scope="module")
def invented(trained: Project) -> Project:
    """The copy in which both pipelines have run."""
    done = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "invent,evaluate_invention")
    assert done.returncode == 0, done.stdout + done.stderr
    return trained


def results(project: Project, name: str) -> dict:
    return json.loads((project.path / f"data/08_reporting/{name}.json").read_text(encoding="utf-8"))


def banks(project: Project) -> tuple[TaskBank, TaskBank]:
    folder = project.path / "data/02_intermediate"
    return open_bank(folder / "task_bank"), open_bank(folder / "invented_bank")


@pytest.mark.slow
def test_from_the_command_line(invented: Project) -> None:
    bank, made = banks(invented)
    table, rows = results(invented, "inventions"), pd.read_csv(invented.path / "data/08_reporting/invented_classes.csv")
    assert table["classes"] == len(made.classes) == 10
    assert table["made_from"]["task_bank"] == bank.content_hash
    assert rows["name"].tolist() == [record.name for record in made.classes]
    assert {record.split for record in made.classes} == {"train"}
    assert all(len(json.loads(row.parents)) == len(json.loads(row.weights)) for row in rows.itertuples())
    invention, use = results(invented, "invention"), results(invented, "invention_use")
    assert invention["made_from"]["invented_bank"] == made.content_hash
    assert invention["made"]["inventors"] == table["inventors"]
    page = (invented.path / "data/08_reporting/invention.html").read_text(encoding="utf-8")
    assert page.count("<figcaption><strong>") == 10 and "http" not in page.partition("</style>")[2]
    assert all(record.name in page for record in made.classes)
    shown = Image.open(invented.path / "data/08_reporting/invented_alphabets.png")
    assert shown.tobytes() == groups_picture(made).tobytes()
    run = invented.runs()[0]
    assert run.data.metrics["invention/new"] == invention["invented"]["new"]
    assert run.data.metrics["invention/use/1_shot/real"] == use["real_classes"]["3"]["1_shot"]["real"]["mean"]
    rounds = results(invented, "invention_rounds")["real_classes"]["3"]
    assert run.data.metrics["invention/rounds/3/where_weak"] == rounds["where_weak"]["curve"][-1]["mean"]
    assert page.count("<figcaption>3 real classes") == 1
    assert invented.artefacts(run) >= {
        "invention.json",
        "invention_use.json",
        "invention_rounds.json",
        "invention.html",
        "invented_classes.csv",
        "pictures/invented_alphabets.png",
    }


@pytest.mark.slow
def test_classes_of_val_and_test_are_refused(trained: Project) -> None:
    refused = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "invent", "--params", "invent.split=val")
    assert refused.returncode != 0
    assert "invent.split: 'val' must be train" in " ".join((refused.stdout + refused.stderr).split())


@pytest.mark.slow
def test_what_does_not_belong_together_is_refused(invented: Project) -> None:
    (bank, made), rows = banks(invented), pd.read_csv(invented.path / "data/08_reporting/invented_classes.csv")
    check_table(bank, made, rows)
    with pytest.raises(UserError, match="invented_classes: are not those of the invented bank"):
        check_table(bank, made, rows[1:])
    foreign = rows.assign(parents='["nobody"]')
    with pytest.raises(UserError, match="1 parents, the first 'nobody', are no train classes of the bank"):
        check_table(bank, made, foreign)
    tested = replace(made, classes=(replace(made.classes[0], split="test"), *made.classes[1:]))
    with pytest.raises(UserError, match="1 classes, the first 'interpolate 000', are of the val or test split"):
        check_table(bank, tested, rows)


def test_metrics_have_the_number_of_real_classes_as_step() -> None:
    rows = {
        str(k): {"invented_classes": [3], "1_shot": {"real": {"mean": mean}}} for k, mean in ((20, 80.0), (60, 90.0))
    }
    curve = {"jitter": {"curve": [{"mean": 70.0}, {"mean": 75.0}]}}
    assert metrics({"invented": {"new": 0.5}}, {"real_classes": rows}, {"real_classes": {"20": curve}}) == {
        "invention/new": [{"value": 0.5, "step": 0}],
        "invention/use/1_shot/real": [{"value": 80.0, "step": 20}, {"value": 90.0, "step": 60}],
        "invention/rounds/20/jitter": [{"value": 70.0, "step": 1}, {"value": 75.0, "step": 2}],
    }
