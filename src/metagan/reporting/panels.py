"""Curves and tables of the metrics over adaptation steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from metagan.errors import UserError
from metagan.reporting import tables
from metagan.reporting.charts import Line, Reference, line_chart
from metagan.reporting.generation import Generation, values
from metagan.reporting.measures import ARMS, REFERENCE_ARMS, TRAINED_ARMS, Metric, best

GAP_CLOSED = Metric(
    "gap_closed",
    "Gap closed",
    math.inf,
    "Share of the way from scratch to real, in FJD at equal steps, that adapted has gone: 1 is as good as real {many}.",
)


@dataclass(frozen=True)
class MetricPanel:
    """A metric with its adaptation curves and its table: rows of (step, cells of (text, is best))."""

    metric: Metric
    curves: Markup
    rows: tuple[tuple[int, tuple[tuple[str, bool], ...]], ...]
    references: tuple[str, ...]


def is_measured(generation: Generation, metric: Metric) -> bool:
    return any(metric.name in generation["arms"].get(arm, {}) for arm in ARMS)


def metric_panel(generation: Generation, metric: Metric) -> MetricPanel:
    trained = {
        arm.name: values(generation, arm.name, metric.name) for arm in TRAINED_ARMS if arm.name in generation["arms"]
    }
    references = {
        arm.name: values(generation, arm.name, metric.name)[0]
        for arm in REFERENCE_ARMS
        if arm.name in generation["arms"]
    }
    is_distance = metric.scale == "root"
    places = tables.decimals(value for numbers in trained.values() for value in numbers) if is_distance else 3
    rows = []
    for index, step in enumerate(generation["steps"]):
        candidates = {arm: numbers[index] for arm, numbers in trained.items()}
        winners = best(metric, candidates)
        rows.append((step, tuple((tables.number(value, places), arm in winners) for arm, value in candidates.items())))
    curves = _curves(generation["steps"], metric, trained, references)
    return MetricPanel(
        metric, curves, tuple(rows), tuple(tables.number(value, places) for value in references.values())
    )


def gap_panel(generation: Generation) -> MetricPanel:
    numbers = tables.floats(generation["gap_closed"])
    if len(numbers) != len(generation["steps"]):
        raise UserError(f"generation.gap_closed has {len(numbers)} values, expected {len(generation['steps'])}")
    curves = _curves(generation["steps"], GAP_CLOSED, {"adapted": numbers}, {"real": 1.0})
    rows = tuple(
        (step, ((tables.number(value), False),)) for step, value in zip(generation["steps"], numbers, strict=True)
    )
    return MetricPanel(GAP_CLOSED, curves, rows, ())


def _curves(
    steps: list[int], metric: Metric, trained: Mapping[str, list[float]], references: Mapping[str, float]
) -> Markup:
    return line_chart(
        # drawn last lies on top: adapted
        [
            Line(ARMS[arm].label, ARMS[arm].colour, steps, numbers, ARMS[arm].marker)
            for arm, numbers in reversed(list(trained.items()))
        ],
        [Reference(ARMS[arm].label, ARMS[arm].colour, value, ARMS[arm].dash) for arm, value in references.items()],
        description=f"{metric.label} of every arm over adaptation steps, {metric.direction}; the table has the numbers",
        x_label="adaptation steps",
        x_ticks=steps,
        x_scale="log1p",
        y_scale=metric.scale,
        y_bounds=metric.bounds,
    )
