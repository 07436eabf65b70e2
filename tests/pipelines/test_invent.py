"""The invent pipeline from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from metagan.tasks.bank import open_bank

if TYPE_CHECKING:
    from conftest import Project


@pytest.mark.slow
def test_from_the_command_line(trained: Project) -> None:
    done = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "invent")
    assert done.returncode == 0, done.stdout + done.stderr
    data = trained.path / "data"
    bank = open_bank(data / "02_intermediate/invented_bank")
    table = json.loads((data / "08_reporting/inventions.json").read_text(encoding="utf-8"))
    assert table["classes"] == len(bank.classes) == 10
    assert table["made_from"]["task_bank"] == open_bank(data / "02_intermediate/task_bank").content_hash
    rows = pd.read_csv(data / "08_reporting/invented_classes.csv")
    assert rows["name"].tolist() == [record.name for record in bank.classes]
    assert {record.split for record in bank.classes} == {"train"}
    assert all(len(json.loads(row.parents)) == len(json.loads(row.weights)) for row in rows.itertuples())
    refused = trained.run("kedro", "run", "--env", "smoke", "--pipelines", "invent", "--params", "invent.split=val")
    assert refused.returncode != 0 and "invent.split: 'val' must be train" in " ".join(
        (refused.stdout + refused.stderr).split()
    )
