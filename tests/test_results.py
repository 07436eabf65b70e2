from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from metagan.domains import stored_example
from metagan.errors import UserError
from metagan.parameters import RunSettings
from metagan.reporting.one_shot_tables import ARMS
from metagan.reporting.results_page import results_page
from metagan.results import FOLDER, PAGE, current_parameters, main, outdated, read, recorded, steps_table, use_table

ROOT = Path(__file__).parents[1]
GENERATION: dict[str, Any] = {
    "source": "glyphs",
    "example": stored_example("image", (1, 28, 28)).model_dump(mode="json"),
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


def write_result(project: Path, **changes: Any) -> None:
    """A result of the parameters of today, but for changes."""
    parameters = current_parameters(project, "base")
    result = {"environment": "base", "parameters": {name: parameters[name] for name in ("seed", "evaluate")}}
    (project / FOLDER / "glyphs.json").write_text(json.dumps(result | changes), encoding="utf-8")


def change(project: Path, file: str, old: str, new: str) -> None:
    path = project / "conf/base" / file
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new), encoding="utf-8")


def test_a_changed_parameter_is_told(project: Path) -> None:
    write_result(project)
    assert outdated(project) == []
    change(project, "parameters_meta_train.yml", "meta_steps: 560", "meta_steps: 561")  # of another section
    assert outdated(project) == []
    change(project, "parameters_evaluate.yml", "n_tasks: 100", "n_tasks: 99")
    assert outdated(project) == ["glyphs"]
    write_result(project)
    change(project, "parameters_evaluate.yml", "k_shots: [1, 5, 8]", "k_shots: [1, 5]")
    assert outdated(project) == ["glyphs"]
    write_result(project, seed=0, stale=True)
    assert outdated(project) == []


def test_a_parameter_that_is_new_since_must_have_its_default(project: Path) -> None:
    evaluate = current_parameters(project, "base")["evaluate"]
    assert evaluate["joint_condition_weight"] == RunSettings().evaluate.joint_condition_weight
    without = {name: value for name, value in evaluate.items() if name != "joint_condition_weight"}
    write_result(project, parameters={"evaluate": without})
    assert outdated(project) == []
    change(project, "parameters_evaluate.yml", "joint_condition_weight: 1.0", "joint_condition_weight: 2.0")
    assert outdated(project) == ["glyphs"]


def test_a_parameter_that_is_gone_is_told(project: Path) -> None:
    evaluate = current_parameters(project, "base")["evaluate"]
    write_result(project, parameters={"evaluate": evaluate | {"judges": 3}})
    assert outdated(project) == ["glyphs"]


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


PLANE: dict[str, Any] = {
    "classes": 150, "image_size": 52, "n_way": 20, "tests": 500, "step": 5,
    "points": {
        name: {
            "diversity": {"mean": x, "ci95": 0.0123},
            "recognisability": {"mean": y, "ci95": 0.45},
            "relative": {"diversity": x / 2, "recognisability": y / 90, "distance": 0.25},
        }
        for name, x, y in (("people", 2.0, 90.0), ("model_1_shot", 2.5, 90.0))
    },
}  # fmt: skip
PROTOCOL: dict[str, Any] = {
    "n_way": 100, "class_splits": 5, "test_classes": 150, "samples_per_class": 48, "step": 5,
    "real_images": {
        number: {arm: {"mean": 70.04, "ci95": 1.26} for arm in ARMS}
        for number in ("5", "10", "15")
    },
}  # fmt: skip


def test_one_shot_protocols_are_recorded_with_their_picture(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "data/08_reporting"
    folder.mkdir(parents=True)
    (folder / "plane.json").write_text(json.dumps(PLANE), encoding="utf-8")
    (folder / "augmentation_protocol.json").write_text(json.dumps(PROTOCOL), encoding="utf-8")
    monkeypatch.setattr("metagan.results._git", lambda *_: "0123abc")
    arguments = ["one_shot", "--of", "one_shot", "--environment", "omniglot", "--title", "One shot"]
    with pytest.raises(UserError, match=r"plane\.png is not there: run kedro run first"):
        main(project, arguments)
    (folder / "plane.png").write_bytes(b"a picture")
    main(project, arguments)
    page = (project / PAGE).read_text(encoding="utf-8")
    assert "| model, K = 1 | 2.500 ± 0.012 | 90.0 ± 0.5 | 1.250 | 1.000 | 0.250 |\n" in page
    assert "| VAE-NS (published) | 1.75 | 85 | 1.357 | 0.873 | 0.379 |\n" in page
    assert "| with samples | 70.0 ± 1.3 | 70.0 ± 1.3 | 70.0 ± 1.3 |\n" in page
    assert "| FIGR (published) | 69 | 83 | 85 |\n" in page
    assert "![One shot](plane.png)\n" in page
    assert (project / "docs/plane.png").read_bytes() == b"a picture"
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
