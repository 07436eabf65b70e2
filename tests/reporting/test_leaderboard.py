from __future__ import annotations

import re
from html import unescape
from typing import Any

import pandas as pd
import pytest

from metagan.reporting.leaderboard import LABELS, leaderboard_page, rank_runs

UI = "http://127.0.0.1:5000"
HOSTILE = '<script>alert("1")</script>&\'"'


def run(name: str, started: str = "2026-11-21 08:00:00", minutes: float = 8.0, **columns: Any) -> dict[str, Any]:
    start = pd.Timestamp(started, tz="UTC")
    return {
        "run_id": f"id-{name}",
        "experiment_id": "1",
        "start_time": start,
        "end_time": start + pd.Timedelta(minutes=minutes),
        "tags.mlflow.runName": name,
    } | columns


@pytest.fixture
def runs() -> pd.DataFrame:
    """Four finished runs, one of them without results, as `FinishedRunsDataset` loads them."""
    measured = {
        "tags.mlflow.source.git.commit": "0123456789abcdef",
        "tags.mlflow.source.git.dirty": "false",
        "params.tasks.source": "glyphs",
        "params.seed": "3",
        "params.meta_train.meta_gradient": "fomaml",
    }
    return pd.DataFrame(
        [
            run("report only"),
            run(
                "good",
                minutes=4.0,
                **measured,
                **{
                    "metrics.adapted/two_sample": {0: 1.0, 5: 0.7},
                    "metrics.adapted/use": {5: 0.88},
                    "metrics.adapted/recognisability": {0: 0.9, 5: 0.8},
                    "metrics.adapted/fjd": {5: 0.7},
                    "metrics.gap_closed": {5: 0.95},
                },
            ),
            run(
                "better",
                **(measured | {"tags.mlflow.source.git.dirty": "true"}),
                **{"metrics.adapted/recognisability": {5: 0.85}, "metrics.adapted/fjd": {5: 0.9}},
            ),
            run(
                "classifier",
                **{
                    "metrics.classifier/10way_1shot/accuracy": {0: 0.6},
                    "metrics.classifier/5way_1shot/accuracy": {0: 0.87},
                    "metrics.classifier/5way_1shot/pgd_linf": {31: 0.85, 100: 0.76, 200: 0.3},
                },
            ),
        ]
    )


@pytest.mark.parametrize(
    ("metric", "order"),
    [
        ("two_sample", ["good", "better", "classifier"]),
        ("recognisability", ["better", "good", "classifier"]),
        ("fjd", ["good", "better", "classifier"]),
        ("robust_accuracy", ["classifier", "good", "better"]),
        ("seconds", ["good", "better", "classifier"]),
    ],
)
def test_the_best_is_first_and_what_lacks_the_metric_last(runs: pd.DataFrame, metric: str, order: list[str]) -> None:
    assert list(rank_runs(runs, metric, UI)["run"]) == order


def test_a_row_says_what_was_run_and_how_good_it_is(runs: pd.DataFrame) -> None:
    rows = rank_runs(runs, "recognisability", f"{UI}/").set_index("run").to_dict("index")
    assert {name: value for name, value in rows["good"].items() if pd.notna(value)} == {
        "date": "2026-11-21 08:00",
        "commit": "0123456",
        "source": "glyphs",
        "seed": "3",
        "meta_gradient": "fomaml",
        "two_sample": 0.7,
        "use": 0.88,
        "recognisability": 0.8,
        "fjd": 0.7,
        "gap_closed": 0.95,
        "seconds": 240.0,
        "link": "http://127.0.0.1:5000/#/experiments/1/runs/id-good",
    }
    assert rows["better"]["commit"] == "0123456-dirty"
    row = rows["classifier"]
    assert (row["episodes"], row["natural_accuracy"], row["robust_accuracy"]) == ("5way_1shot", 0.87, 0.76)


def test_the_page_shows_every_row_links_to_it_and_needs_no_network(runs: pd.DataFrame) -> None:
    runs.loc[1, "tags.mlflow.runName"] = HOSTILE
    text = leaderboard_page(rank_runs(runs, "fjd", UI), "fjd")
    links = re.findall(r'<a href="(.*?)">(.*?)</a>', text)
    expected = {"good": HOSTILE, "better": "better", "classifier": "classifier"}
    assert [(address, unescape(name)) for address, name in links] == [
        (f"{UI}/#/experiments/1/runs/id-{run}", name) for run, name in expected.items()
    ]
    assert not re.search(r"<(script|link|img)|src=|url\(|@import", text)
    cells = [unescape(cell) for cell in re.findall(r"<t[hd]\b.*?>(.*?)</t[hd]>", text)]
    assert {*LABELS.values(), "0.95", "4 min 00 s", "0123456-dirty"} <= set(cells)


def test_a_run_that_was_measured_after_other_steps_is_listed_without_those_numbers() -> None:
    runs = pd.DataFrame([run("short", **{"metrics.adapted/fjd": {0: 9.0, 2: 1.0}})])
    (row,) = rank_runs(runs, "fjd", UI).to_dict("records")
    assert row["run"] == "short"
    assert pd.isna(row["fjd"])


def test_no_runs_make_an_empty_leaderboard() -> None:
    board = rank_runs(pd.DataFrame(columns=["run_id", "experiment_id"]), "fjd", UI)
    assert board.empty
    assert "0 finished runs" in leaderboard_page(board, "fjd")
