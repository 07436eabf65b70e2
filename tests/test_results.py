from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from metagan.errors import UserError
from metagan.reporting.results_page import parameters_hash, results_page
from metagan.results import FOLDER, PAGE, current_parameters, main, outdated, read, recorded, steps_table, use_table

ROOT = Path(__file__).parents[1]
GENERATION: dict[str, Any] = {
    "source": "glyphs",
    "split": "test",
    "n_tasks": 100,
    "k_shot": 8,
    "steps": [0, 5],
    "two_sample_null": [0.47, 0.53],
    "arms": {
        "adapted": {"two_sample": [0.99, 0.7], "use": [0.2, 0.91], "fjd": [9.0, 0.5]},
        "real": {"two_sample": 0.5, "use": 0.95, "fjd": 0.1},
    },
    "use": {
        "n_way": 20,
        "episodes": 5,
        "samples_per_class": 48,
        "by_shots": {"1": {"support": {"mean": 0.5, "ci95": 0.02}}, "8": {"support": {"mean": 0.95, "ci95": 0.01}}},
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """conf and one result of today, in a git repository without commits of its own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / FOLDER).mkdir(parents=True)
    return tmp_path


def test_the_page_is_that_of_its_files() -> None:
    written = (ROOT / PAGE).read_text(encoding="utf-8")
    assert written == results_page(read(ROOT)), "docs/results.md is not that of docs/results/: type make results"


def test_no_table_is_older_than_the_parameters_that_it_names() -> None:
    assert outdated(ROOT) == [], "measure these again, or mark them as stale in docs/results/"


def test_every_table_says_where_it_comes_from() -> None:
    files = read(ROOT)
    assert files
    for name, result in files.items():
        assert result["commands"], name
        assert re.fullmatch(r"[0-9a-f]{7,40}", result["commit"]), name
        assert re.match(r"\d{4}-\d{2}-\d{2}", result["date"]) and result["machine"], name
        for table in result["tables"]:
            assert {len(row) for row in table["rows"]} == {len(table["columns"])}, name


def test_a_changed_parameter_is_told(project: Path) -> None:
    sections = ["seed", "evaluate"]
    found = parameters_hash(current_parameters(project, "base"), sections)
    result = {"environment": "base", "sections": sections, "parameters": found}
    (project / FOLDER / "glyphs.json").write_text(json.dumps(result), encoding="utf-8")
    assert outdated(project) == []
    parameters = project / "conf/base/parameters_evaluate.yml"
    changed = parameters.read_text(encoding="utf-8").replace("n_tasks: 100", "n_tasks: 99")
    parameters.write_text(changed, encoding="utf-8")
    assert outdated(project) == ["glyphs"]
    (project / FOLDER / "glyphs.json").write_text(json.dumps(result | {"stale": True}), encoding="utf-8")
    assert outdated(project) == []


def test_a_parameter_of_another_section_changes_nothing(project: Path) -> None:
    before = parameters_hash(current_parameters(project, "base"), ["evaluate"])
    (project / "conf/base/parameters.yml").write_text("seed: 1\n", encoding="utf-8")
    assert parameters_hash(current_parameters(project, "base"), ["evaluate"]) == before


def test_a_row_for_each_metric_and_arm() -> None:
    table = steps_table(GENERATION)
    assert table["columns"] == ["metric", "arm", "0", "5"]
    assert table["rows"] == [
        ["two sample", "adapted", 0.99, 0.7],
        ["two sample", "real", 0.5, None],
        ["use", "adapted", 0.2, 0.91],
        ["use", "real", 0.95, None],
        ["fjd", "adapted", 9.0, 0.5],
        ["fjd", "real", 0.1, None],
    ]
    assert use_table(GENERATION)["rows"] == [["support", "0.500 ± 0.020", "0.950 ± 0.010"]]


def test_a_run_is_recorded_and_the_page_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"generation\.json is not there: run kedro run first"):
        recorded(project, "base", "Glyphs", 1, "kedro run")
    (project / "data/08_reporting").mkdir(parents=True)
    (project / "data/08_reporting/generation.json").write_text(json.dumps(GENERATION), encoding="utf-8")
    monkeypatch.setattr("metagan.results._git", lambda *_: "0123abc")
    main(project, ["glyphs", "--title", "Glyphs, seed 0", "--order", "1"])
    page = (project / PAGE).read_text(encoding="utf-8")
    assert "## Glyphs, seed 0\n" in page
    assert "| two sample | adapted | 0.99 | 0.7 |\n" in page
    assert "Commit 0123abc; " in page
    assert outdated(project) == []


def test_a_file_that_is_no_json_is_named(project: Path) -> None:
    (project / FOLDER / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"broken\.json: "):
        read(project)


def test_a_stale_table_says_so_and_text_is_wrapped() -> None:
    result: Any = {
        "title": "Old",
        "order": 1,
        "stale": True,
        "tables": [{"about": "word " * 60, "columns": ["a"], "rows": [["b | c"], [None]]}],
        "commands": ["kedro run"],
        "commit": "0123abc",
        "machine": "a machine",
        "date": "2026-11-22",
    }
    page = results_page({"old": result})
    assert "## Old (stale)" in page and "| b \\| c |" in page
    assert max(map(len, page.splitlines())) <= 120
