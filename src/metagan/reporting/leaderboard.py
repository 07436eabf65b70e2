"""All finished runs in one table, the best first, and the same as a page with a link to each run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from metagan.parameters.evaluate import HEADLINE_STEP
from metagan.parameters.leaderboard import LowerIsBetter, RankedBy
from metagan.reporting import tables
from metagan.reporting.measures import HEADLINE_EPSILON
from metagan.reporting.templates import template

LABELS = {
    "run": "run",
    "date": "started (UTC)",
    "commit": "commit",
    "source": "source",
    "seed": "seed",
    "meta_gradient": "meta-gradient",
    "two_sample": f"two-sample test, {HEADLINE_STEP} steps",
    "use": f"use, {HEADLINE_STEP} steps",
    "recognisability": f"recognisability, {HEADLINE_STEP} steps",
    "fjd": f"FJD, {HEADLINE_STEP} steps",
    "gap_closed": f"gap closed, {HEADLINE_STEP} steps",
    "episodes": "episodes",
    "natural_accuracy": "natural accuracy",
    "robust_accuracy": f"under PGD, ε = {HEADLINE_EPSILON}",
    "seconds": "time",
}
RESULTS = [name for name in LABELS if name in get_args(RankedBy) and name != "seconds"]


def rank_runs(runs: pd.DataFrame, metric: str, ui: str) -> pd.DataFrame:
    """A row for each run that measured something, the best by `metric` first and those without it last.

    `runs` is what `mlflow.search_runs` gives, with a mapping of values by step in place of a metric's last value.
    `link` is the page of the run below the address `ui` of an MLflow server.
    """
    measured = [run for run in runs.to_dict("records") if any(isinstance(value, Mapping) for value in run.values())]
    board = pd.DataFrame([_row(run, ui) for run in measured], columns=[*LABELS, "link"])
    return board.sort_values(metric, ascending=metric in get_args(LowerIsBetter), na_position="last", kind="stable")


def leaderboard_page(board: pd.DataFrame, metric: str) -> str:
    """The leaderboard as one HTML page that needs no other file."""
    rows = board.astype(object).where(board.notna(), None).to_dict("records")
    page = template("leaderboard.html.j2", number=tables.number, duration=tables.duration)
    return page.render(rows=rows, metric=metric, labels=LABELS, results=RESULTS, absent=tables.ABSENT)


def _row(run: Mapping[str, Any], ui: str) -> dict[str, Any]:
    shape = _episodes(run)
    natural, robust = (_by_step(run, f"classifier/{shape}/{name}") for name in ("accuracy", "pgd_linf"))
    return {
        "run": run.get("tags.mlflow.runName"),
        "date": run["start_time"].strftime("%Y-%m-%d %H:%M"),
        "commit": _commit(run),
        "source": run.get("params.tasks.source"),
        "seed": run.get("params.seed"),
        "meta_gradient": run.get("params.meta_train.meta_gradient"),
        "two_sample": _by_step(run, "adapted/two_sample").get(HEADLINE_STEP),
        "use": _by_step(run, "adapted/use").get(HEADLINE_STEP),
        "recognisability": _by_step(run, "adapted/recognisability").get(HEADLINE_STEP),
        "fjd": _by_step(run, "adapted/fjd").get(HEADLINE_STEP),
        "gap_closed": _by_step(run, "gap_closed").get(HEADLINE_STEP),
        "episodes": shape,
        "natural_accuracy": natural.get(0),
        "robust_accuracy": robust.get(round(1000 * HEADLINE_EPSILON)),
        "seconds": (run["end_time"] - run["start_time"]).total_seconds(),
        "link": f"{ui.rstrip('/')}/#/experiments/{run['experiment_id']}/runs/{run['run_id']}",
    }


def _by_step(run: Mapping[str, Any], metric: str) -> Mapping[int, float]:
    values = run.get(f"metrics.{metric}")
    return values if isinstance(values, Mapping) else {}


def _episodes(run: Mapping[str, Any]) -> str | None:
    """The first shape of episode that the run's classifier was measured at, such as 5way_1shot."""
    names = (name for name, values in run.items() if isinstance(values, Mapping))
    shapes = (re.fullmatch(r"metrics\.classifier/((\d+)way_(\d+)shot)/accuracy", name) for name in names)
    return min(((int(shape[2]), int(shape[3]), shape[1]) for shape in shapes if shape), default=(0, 0, None))[2]


def _commit(run: Mapping[str, Any]) -> str | None:
    """The run's commit as `git describe --always --dirty` writes it."""
    commit = run.get("tags.mlflow.source.git.commit")
    if not isinstance(commit, str):
        return None
    return commit[:7] + ("-dirty" if run.get("tags.mlflow.source.git.dirty") == "true" else "")
