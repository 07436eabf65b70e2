"""What happened while training, as charts: losses, and every validation metric at each number of adaptation steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from metagan.reporting.charts import Line, line_chart, marker_symbol
from metagan.reporting.figures import after
from metagan.reporting.measures import METRICS
from metagan.reporting.tables import number

COLOURS = ("#0067a5", "#c44f00", "#00805f", "#8a4a86")
MARKERS = ("circle", "square", "triangle", "")
BINS = 150
PLAYERS = ("discriminator", "generator")
TITLES = {"gap": "Gap, adapted to scratch"} | {metric.name: metric.label for metric in METRICS}


@dataclass(frozen=True)
class TrainingChart:
    """A chart with its title, the keys of its lines (symbol, text) and a remark."""

    title: str
    svg: Markup
    keys: tuple[tuple[Markup, str], ...] = ()
    remark: str = ""


def training_charts(history: pd.DataFrame) -> list[TrainingChart]:
    """Charts of what is there: `train_loss` and `val/<metric>_<step>`, over `seconds`, else `meta_step`, else rows."""
    x, x_label = _progress(history)
    charts = []
    if "train_loss" in history:
        charts.append(_loss_chart("Outer loss", x, {"outer loss": _column(history, "train_loss")}, x_label))
    metrics: dict[str, dict[int, str]] = {}
    for column in map(str, history.columns):
        if found := re.fullmatch(r"val/(.+?)(?:_(\d+))?", column):
            metrics.setdefault(found[1], {})[int(found[2] or -1)] = column
    order = ["recognisability", "gap", *metrics]
    for metric in sorted(metrics, key=order.index):
        series = {step: _column(history, metrics[metric][step]) for step in sorted(metrics[metric])}
        charts.append(_validation_chart(metric, x, series, x_label))
    return [chart for chart in charts if chart is not None]


def joint_chart(history: pd.DataFrame) -> TrainingChart | None:
    """The losses of the joint GAN's two players, `<player>_loss`; None when fewer than two were recorded."""
    x, x_label = _progress(history)
    losses = {player: _column(history, f"{player}_loss") for player in PLAYERS if f"{player}_loss" in history}
    return _loss_chart("Joint GAN: losses", x, losses, x_label, "The ordinary GAN that fine-tuned starts from.")


def skipped_updates(history: pd.DataFrame) -> int:
    """How many outer updates were skipped; `skipped` is a running count."""
    count = np.nanmax(_column(history, "skipped"), initial=0.0) if "skipped" in history else 0.0
    return int(count)


def _progress(history: pd.DataFrame) -> tuple[np.ndarray, str]:
    if "seconds" in history:
        return _column(history, "seconds") / 60, "minutes of training"
    if "meta_step" in history:
        return _column(history, "meta_step"), "meta-steps"
    return np.arange(len(history), dtype=float), "rows of the history"


def _column(history: pd.DataFrame, name: str) -> np.ndarray:
    column: np.ndarray = pd.to_numeric(history[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return column


def _loss_chart(
    title: str, x: np.ndarray, losses: Mapping[str, np.ndarray], x_label: str, remark: str = ""
) -> TrainingChart | None:
    lines, keys, extremes, binned = [], [], [], False
    for (label, loss), colour in zip(losses.items(), COLOURS, strict=False):
        known = np.isfinite(loss) & np.isfinite(x)
        if known.sum() < 2:
            continue
        groups = np.array_split(np.flatnonzero(known), min(BINS, known.sum()))
        low, middle, high = np.array([np.quantile(loss[group], (0.1, 0.5, 0.9)) for group in groups]).T
        lines.append(
            Line(label, colour, [float(x[group].mean()) for group in groups], middle.tolist(), band=(low, high))
        )
        keys.append((marker_symbol("", colour), label))
        extremes += [np.quantile(low, 0.01), np.quantile(high, 0.99)]
        binned = binned or len(groups) < known.sum()
    if not lines:
        return None
    lowest, highest = float(min(extremes)), float(max(extremes))
    room = 0.05 * (highest - lowest)
    svg = line_chart(
        lines,
        description=f"{title} over {x_label}",
        x_label=x_label,
        y_bounds=(lowest - room, highest + room) if room else None,
    )
    if binned:
        remark = f"{remark} Median and middle 80 % of neighbouring steps.".lstrip()
    return TrainingChart(title, svg, tuple(keys) if len(keys) > 1 else (), remark)


def _validation_chart(metric: str, x: np.ndarray, series: dict[int, np.ndarray], x_label: str) -> TrainingChart | None:
    lines, keys, remarks = [], [], []
    title = TITLES.get(metric, metric)
    for index, (step, y) in enumerate(series.items()):
        known = np.isfinite(x) & np.isfinite(y)
        if not known.any():
            continue
        colour, label = COLOURS[index % len(COLOURS)], after(step) if step >= 0 else metric
        marker = MARKERS[index % len(MARKERS)] if known.sum() <= 40 else ""
        lines.append(Line(label, colour, x[known].tolist(), y[known].tolist(), marker))
        keys.append((marker_symbol(marker, colour), label))
        remarks.append(f"{label}: {number(y[known][0], 3)} at first, {number(y[known][-1], 3)} at last")
    if not lines:
        return None
    svg = line_chart(lines, description=f"Validation {title} over {x_label}: {'; '.join(remarks)}", x_label=x_label)
    return TrainingChart(f"Validation: {title}", svg, tuple(keys), "; ".join(remarks) + ".")
