"""The report of a run as one HTML file that opens without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from metagan.domains import domain_of
from metagan.parameters.evaluate import headline_step
from metagan.reporting import tables
from metagan.reporting.accuracies import Robustness, percent
from metagan.reporting.attacked_pictures import Attacked
from metagan.reporting.caveats import caveats, wins
from metagan.reporting.charts import marker_symbol
from metagan.reporting.figures import after, check_pictures, picture_of
from metagan.reporting.generation import Generation, example_of, names_of
from metagan.reporting.headline import distance_ratio, told_apart, use_rows, value_at
from metagan.reporting.measures import ARMS, METRICS, REFERENCE_ARMS, TRAINED_ARMS, Metric
from metagan.reporting.panels import gap_panel, is_measured, metric_panel
from metagan.reporting.picture_columns import adaptation_columns, comparison_columns, shown_width
from metagan.reporting.robustness_section import robustness_section
from metagan.reporting.sound_columns import sound_columns
from metagan.reporting.tables import Cell
from metagan.reporting.templates import template
from metagan.reporting.training_charts import joint_chart, training_charts

N_WAY = 20


def build_report(
    generation: Generation,
    pictures: Mapping[str, np.ndarray],
    history: pd.DataFrame,
    parameters: Mapping[str, object],
    data_card: Mapping[str, object],
    embedder_metrics: Mapping[str, object],
    timings: Mapping[str, float],
    title: str = "metagan",
    robustness: Robustness | None = None,
    robustness_pictures: Mapping[str, np.ndarray] | None = None,
    joint_history: pd.DataFrame | None = None,
) -> str:
    """The whole report as HTML text.

    `generation` is what `generation.json` holds; `pictures` are stored examples of the same test classes, `support` and
    `real` (T, n, *shape), `adapted`, `scratch` and `fine_tuned` (T, len(steps), n, *shape); `timings` are seconds.
    `robustness` is what `robustness.json` holds, `robustness_pictures` the arrays of `Attacked`; the section is left
    out without `robustness`. `joint_history` has the losses of the joint GAN.
    Raises ValueError when a list or an array does not match `generation["steps"]` or `robustness["models"]`.
    """
    example = example_of(generation)
    check_pictures(pictures, generation["steps"], example)
    names = names_of(generation)
    gap, (facts, grids) = gap_panel(generation), tables.card(_named(data_card, names.many))
    seconds = {**generation.get("seconds", {}), **timings}
    joint = joint_chart(joint_history) if joint_history is not None else None
    attacked = Attacked(robustness_pictures, example) if robustness_pictures is not None else None
    shown = {"number": tables.number, "duration": tables.duration, "cell": _cell, "percent": percent}
    page = template("template.html.j2", **shown, told=names.told)
    return page.render(
        names=names,
        **_headline(generation),
        **_pictures(generation, pictures),
        title=title,
        generation=generation,
        caveats=caveats(generation, history),
        panels=[metric_panel(generation, metric) for metric in _metrics(generation)],
        gap_panel=gap,
        training=training_charts(history) + ([joint] if joint else []),
        robustness=robustness_section(robustness, attacked, names) if robustness else None,
        embedder=tables.flatten(embedder_metrics or generation.get("embedder", {})),
        configuration={name: tables.flatten({name: section}) for name, section in parameters.items()},
        facts=facts,
        grids=grids,
        timings=seconds,
        longest=max(seconds.values(), default=0.0),
    )


def _headline(generation: Generation) -> dict[str, Any]:
    """The arms, and what is said of them before any table."""
    steps = generation["steps"]
    headline = headline_step(steps)
    trained = [arm for arm in TRAINED_ARMS if arm.name in generation["arms"]]
    references = [arm for arm in REFERENCE_ARMS if arm.name in generation["arms"]]
    rates = generation.get("learning_rates", {}).get("best", {})
    return {
        "arms": trained + references,
        "trained": trained,
        "references": references,
        "keys": {arm.name: marker_symbol(arm.marker, arm.colour, arm.dash) for arm in ARMS.values()},
        "colours": {arm.name: arm.colour for arm in TRAINED_ARMS},
        "headline_step": headline,
        "last_step": steps[-1],
        "after_headline": after(headline),
        "after_last": after(steps[-1]),
        "gap_closed": tables.floats(generation["gap_closed"])[steps.index(headline)],
        "told": told_apart(generation, trained + references, headline),
        "null": generation.get("two_sample_null"),
        "use": generation.get("use"),
        "use_rows": use_rows(generation),
        "recognised": {arm: value_at(generation, arm, "recognisability", headline) for arm in ("adapted", "real")},
        "distance_ratio": distance_ratio(generation, headline),
        "n_classes": generation.get("n_classes", generation["n_tasks"]),
        "n_way": generation.get("n_way", N_WAY),
        "temperature": generation.get("temperature"),
        "rates": {ARMS[arm].label: rate for arm, rate in rates.items()},
        "wins": wins(generation),
    }


def _pictures(generation: Generation, pictures: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The columns of pictures and of sounds, and how they are shown."""
    steps, example = generation["steps"], example_of(generation)
    picture_width = picture_of(example, pictures["support"][0, :1]).width
    width = shown_width(picture_width)
    return {
        "adaptation": adaptation_columns(pictures, steps, example),
        "comparison": comparison_columns(pictures, steps, example),
        "sounds": sound_columns(pictures, steps, example),
        "tile_width": width,
        "bends": len(domain_of(example).gan.noise) > 1,
        "pixelated": width >= picture_width,
        "on_paper": example.on_paper and example.shape[0] == 1,
    }


def _metrics(generation: Generation) -> list[Metric]:
    """Those that were measured, without what is the same as another."""
    same = () if names_of(generation).binarised else ("two_sample_binarised",)
    return [metric for metric in METRICS if is_measured(generation, metric) and metric.name not in same]


def _named(card: object, many: str) -> Any:
    """A data card that calls examples what they are."""
    if not isinstance(card, Mapping):
        return card
    return {many if name == "images" else name: _named(value, many) for name, value in card.items()}


def _cell(value: Cell) -> str:
    if value is None:
        return tables.ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
