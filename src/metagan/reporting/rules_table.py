"""Update rules against each other as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metagan.parameters.compare_rules import AS_TRAINED
from metagan.reporting.results_page import Table
from metagan.reporting.rules import by_rule
from metagan.reporting.tables import ABSENT

SHOWN = (1, 2, 5, 10, 20, 40, 80)
"""Steps whose FJD is shown, where they were measured."""
ENDS = ("diverged", "collapsed", "vanished")


def rules_table(results: Mapping[str, Any]) -> Table:
    """A row for each start and rule: means over seeds, with half the range of their values where there are several."""
    steps, level = results["steps"], results["level_step"]
    shown = [step for step in SHOWN if step in steps]
    rows: list[list[str | float | None]] = []
    places: dict[str, list[Mapping[str, Any]]] = {}
    for row in results["settings"]:
        places.setdefault(row["start"] if row["setting"] == AS_TRAINED else row["setting"], []).append(row)
    for place, own in places.items():
        rows += [[f"{place}: {name}", *_cells(of_seeds, steps, shown)] for name, of_seeds in by_rule(own).items()]
    seeds = len({row["seed"] for row in results["settings"]})
    about = (
        f"FJD on unseen classes after so many inner steps, {seeds} seeds of tasks, starts and trainings (mean, ± half "
        f"the range); fixed rules at the best of all pairs of rates on val classes after {level} steps. Steps to the "
        f"FJD that the best fixed rule has after {level}, for each seed; a dash: not within {steps[-1]}. The area is "
        f"the mean FJD until {level}. Shares of tasks that have diverged, collapsed, vanished after {steps[-1]} steps."
    )
    columns = ["start: rule", *(f"FJD {step}" for step in shown), "steps to level", "area", *ENDS]
    return {"about": about, "columns": columns, "rows": rows}


def _cells(rows: Sequence[Mapping[str, Any]], steps: Sequence[int], shown: Sequence[int]) -> list[str | float | None]:
    at = [_with_range([row["curve"]["fjd"][steps.index(step)] for row in rows]) for step in shown]
    reached = ", ".join(ABSENT if row["steps_to_level"] is None else str(row["steps_to_level"]) for row in rows)
    ends = [f"{np.mean([row[name] for row in rows]):.2f}" for name in ENDS]
    return [*at, reached, _with_range([row["auc"] for row in rows]), *ends]


def _with_range(values: Sequence[float]) -> str:
    middle = f"{np.mean(values):.2f}"
    return middle if len(values) == 1 else f"{middle} ± {(max(values) - min(values)) / 2:.2f}"
