"""The report of a run as one HTML file that opens without a network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from metagan.errors import UserError
from metagan.parameters.evaluate import headline_step
from metagan.reporting import tables
from metagan.reporting.charts import Line, Reference, line_chart, marker_symbol
from metagan.reporting.figures import TILE_LIMIT, after, check_pictures, data_uri, picture_steps, tile
from metagan.reporting.headline import distance_ratio, told_apart, use_rows, value_at
from metagan.reporting.robustness import Robustness, percent, robustness_section
from metagan.reporting.tables import ARMS, METRICS, REFERENCE_ARMS, TRAINED_ARMS, Cell, Generation, Metric
from metagan.reporting.templates import template
from metagan.reporting.training_charts import joint_chart, skipped_updates, training_charts

N_WAY = 20
PHOTOGRAPHS = "image_folder"
CELL_WIDTH = 174
DECIDING = ("two_sample", "use", "fjd", "recognisability")
EQUAL_TIMES = 0.2  # share by which times of training may differ before it is told
GAP_CLOSED = Metric(
    "gap_closed",
    "Gap closed",
    math.inf,
    "Share of the way from scratch to real, in FJD at equal steps, that adapted has gone: 1 is as good as real images.",
)


@dataclass(frozen=True)
class PictureColumn:
    """One column of a picture of classes: its heading, whom it belongs to, and one image source per class."""

    heading: str
    kind: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class MetricPanel:
    """A metric with its adaptation curves and its table: rows of (step, cells of (text, is best))."""

    metric: Metric
    curves: Markup
    rows: tuple[tuple[int, tuple[tuple[str, bool], ...]], ...]
    references: tuple[str, ...]


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

    `generation` is what `generation.json` holds; `pictures` are uint8 arrays of the same test classes, `support` and
    `real` (T, n, C, H, W), `adapted`, `scratch` and `fine_tuned` (T, len(steps), n, C, H, W); `timings` are seconds.
    `robustness` is what `robustness.json` holds, `robustness_pictures` as `robustness_section` takes them; the section
    is left out without `robustness`. `joint_history` has the losses of the joint GAN.
    Raises ValueError when a list or an array does not match `generation["steps"]` or `robustness["models"]`.
    """
    steps = generation["steps"]
    check_pictures(pictures, steps)
    on_paper = generation["source"] != PHOTOGRAPHS
    trained = [arm for arm in TRAINED_ARMS if arm.name in generation["arms"]]
    references = [arm for arm in REFERENCE_ARMS if arm.name in generation["arms"]]
    headline = headline_step(steps)
    gap_panel = _gap_panel(generation)
    facts, grids = tables.card(data_card)
    picture_width = tile(pictures["support"][0, :1]).width
    tile_width = _shown_width(picture_width)

    seconds = {**generation.get("seconds", {}), **timings}
    joint = joint_chart(joint_history) if joint_history is not None else None

    page = template("template.html.j2", number=tables.number, duration=tables.duration, cell=_cell, percent=percent)
    return page.render(
        title=title,
        generation=generation,
        arms=trained + references,
        trained=trained,
        references=references,
        keys={arm.name: marker_symbol(arm.marker, arm.colour, arm.dash) for arm in ARMS.values()},
        headline_step=headline,
        last_step=steps[-1],
        after_last=after(steps[-1]),
        gap_closed=tables.floats(generation["gap_closed"])[steps.index(headline)],
        told=told_apart(generation, trained + references, headline),
        null=generation.get("two_sample_null"),
        use=generation.get("use"),
        use_rows=use_rows(generation),
        recognised={arm: value_at(generation, arm, "recognisability", headline) for arm in ("adapted", "real")},
        distance_ratio=distance_ratio(generation, headline),
        n_classes=generation.get("n_classes", generation["n_tasks"]),
        n_way=generation.get("n_way", N_WAY),
        temperature=generation.get("temperature"),
        rates={ARMS[arm].label: rate for arm, rate in generation.get("learning_rates", {}).get("best", {}).items()},
        wins=_wins(generation),
        caveats=_caveats(generation, history),
        adaptation=_adaptation_columns(pictures, steps, on_paper),
        comparison=_comparison_columns(pictures, steps, on_paper),
        tile_width=tile_width,
        pixelated=tile_width >= picture_width,
        colours={arm.name: arm.colour for arm in TRAINED_ARMS},
        on_paper=on_paper and pictures["support"].shape[2] == 1,
        panels=[_panel(generation, metric) for metric in METRICS if _is_measured(generation, metric)],
        gap_panel=gap_panel,
        training=training_charts(history) + ([joint] if joint else []),
        robustness=robustness_section(robustness, robustness_pictures, on_paper) if robustness else None,
        embedder=tables.flatten(embedder_metrics or generation.get("embedder", {})),
        configuration={name: tables.flatten({name: section}) for name, section in parameters.items()},
        facts=facts,
        grids=grids,
        timings=seconds,
        longest=max(seconds.values(), default=0.0),
    )


def _is_measured(generation: Generation, metric: Metric) -> bool:
    return any(metric.name in generation["arms"].get(arm, {}) for arm in ARMS)


def _wins(generation: Generation) -> list[tuple[tables.Arm, list[tuple[Metric, int, int]]]]:
    """For each rival and main metric: at how many of the steps from 1 on `adapted` is better."""
    rows = []
    for rival in TRAINED_ARMS[1:]:
        if rival.name not in generation["arms"]:
            continue
        counts = []
        for metric in METRICS:
            if metric.name not in DECIDING or not _is_measured(generation, metric):
                continue
            pairs = zip(
                generation["steps"],
                tables.values(generation, "adapted", metric.name),
                tables.values(generation, rival.name, metric.name),
                strict=True,
            )
            better = [metric.shortfall(ours) < metric.shortfall(theirs) for step, ours, theirs in pairs if step > 0]
            counts.append((metric, sum(better), len(better)))
        rows.append((rival, counts))
    return rows


def _caveats(generation: Generation, history: pd.DataFrame) -> list[str]:
    """What a careful reader should hold against the numbers, found in the numbers themselves."""
    last = generation["steps"][-1]
    number = tables.number

    def adapted(metric: str) -> float:
        return value_at(generation, "adapted", metric, last)

    found = []
    if generation["split"] != "test":
        found.append(
            f"These are {generation['split']} classes, on which the checkpoint was chosen: expect less on test classes."
        )
    for rival, counts in _wins(generation):
        losses = [f"{metric.label} ({of - better} of {of} steps)" for metric, better, of in counts if better < of]
        if losses:
            found.append(f"Adapted is not better than {rival.label} everywhere: {', '.join(losses)}.")
    if rates := generation.get("learning_rates"):
        found += [
            f"On the val classes {ARMS[arm].label} did best at a rate of {rate:g}, an end of those that were "
            "tried: one beyond it may be better."
            for arm, rate in rates["best"].items()
            if rate in (min(rates["tried"]), max(rates["tried"]))
        ]
    seconds = generation.get("seconds", {})
    if "joint_gan" in seconds and abs(seconds["joint_gan"] / seconds["meta_train"] - 1) > EQUAL_TIMES:
        found.append(
            f"{ARMS['fine_tuned'].label.capitalize()} starts from a GAN that was trained for "
            f"{tables.duration(seconds['joint_gan'])}, meta-training took {tables.duration(seconds['meta_train'])}: "
            "meta_train.joint.steps_per_meta_step would make the times equal."
        )
    for metric, low, high, meaning in (
        ("diversity", 0.75, 1.25, "samples of a class vary {} than its real images"),
        ("memorisation", 0.35, 0.65, "samples lie {} to the support images than unseen images do"),
    ):
        value = adapted(metric)
        if value < low or value > high:
            word = ("less", "more") if metric == "diversity" else ("less close", "closer")
            found.append(
                f"{metric.capitalize()} of adapted is {number(value)} {after(last)}: "
                f"{meaning.format(word[value > high])}."
            )
    recognised = tables.values(generation, "adapted", "recognisability")
    peak = max(filter(math.isfinite, recognised), default=math.nan)
    if peak > recognised[-1] + 0.02:
        best = generation["steps"][recognised.index(peak)]
        found.append(
            f"Adapting longer does not always help: recognisability peaks {after(best)} at {number(peak, 3)} "
            f"and is {number(recognised[-1], 3)} {after(last)}."
        )
    if (before := _unmoved(generation)) is not None:
        found.append(
            f"The steps change little: an FJD of {number(before[0], 3)} before the first and of {number(before[1], 3)} "
            f"{after(last)}. What the start makes of the support set does nearly all."
        )
    for arm, shares in generation.get("diverged", {}).items():
        if worst := max((share or 0.0 for share in shares), default=0.0):
            found.append(
                f"Up to {100 * worst:.1f} % of the {ARMS[arm].label} samples were not finite and count as black."
            )
    if count := skipped_updates(history):
        found.append(
            f"{count} outer update{'s were' if count > 1 else ' was'} skipped for a gradient that was not finite."
        )
    found.append(
        "All features come from an embedder trained for this project, not from Inception: "
        "distances compare arms and runs of this source, not published numbers."
    )
    n_tasks, n_classes = generation["n_tasks"], generation.get("n_classes", generation["n_tasks"])
    drawn = f"{n_tasks} tasks" if n_classes == n_tasks else f"{n_tasks} tasks from only {n_classes} classes"
    found.append(f"One training run and one draw of {drawn}: small differences between arms may be chance.")
    return found


def _unmoved(generation: Generation) -> tuple[float, float] | None:
    """FJD of `adapted` before and after all steps, if they are within a tenth of each other."""
    distances = tables.values(generation, "adapted", "fjd")
    if generation["steps"][0] != 0 or not abs(distances[-1] - distances[0]) < 0.1 * distances[0]:
        return None
    return distances[0], distances[-1]


def _png(images: np.ndarray, on_paper: bool) -> str:
    return data_uri(tile(images[:TILE_LIMIT], on_paper))


def _column(heading: str, kind: str, images: np.ndarray, on_paper: bool) -> PictureColumn:
    """`images` (T, n, C, H, W); a heading says so when only the first of them are shown."""
    n = images.shape[1]
    heading = f"{heading} ({TILE_LIMIT} of {n})" if kind == "support" and n > TILE_LIMIT else heading
    return PictureColumn(heading, kind, tuple(_png(row, on_paper) for row in images))


def _adaptation_columns(pictures: Mapping[str, np.ndarray], steps: list[int], on_paper: bool) -> list[PictureColumn]:
    adapted = pictures["adapted"]
    return [
        _column("support", "support", pictures["support"], on_paper),
        *(_column(after(step), "adapted", adapted[:, steps.index(step)], on_paper) for step in picture_steps(steps)),
        _column("real, unseen", "real", pictures["real"], on_paper),
    ]


def _comparison_columns(pictures: Mapping[str, np.ndarray], steps: list[int], on_paper: bool) -> list[PictureColumn]:
    arms = [arm for arm in TRAINED_ARMS if arm.name in pictures]
    return [
        _column("support", "support", pictures["support"], on_paper),
        *(_column(arm.label, arm.name, pictures[arm.name][:, -1], on_paper) for arm in arms),
        _column("real, unseen", "real", pictures["real"], on_paper),
    ]


def _shown_width(picture_width: int) -> float:
    """CSS pixels of one cell: half-integer magnification, crisp on most screens, or less where it must be."""
    fits = CELL_WIDTH / picture_width
    return picture_width * math.floor(2 * fits) / 2 if fits >= 1 else CELL_WIDTH


def _panel(generation: Generation, metric: Metric) -> MetricPanel:
    trained = {
        arm.name: tables.values(generation, arm.name, metric.name)
        for arm in TRAINED_ARMS
        if arm.name in generation["arms"]
    }
    references = {
        arm.name: tables.values(generation, arm.name, metric.name)[0]
        for arm in REFERENCE_ARMS
        if arm.name in generation["arms"]
    }
    is_distance = metric.scale == "root"
    places = tables.decimals(value for numbers in trained.values() for value in numbers) if is_distance else 3
    rows = []
    for index, step in enumerate(generation["steps"]):
        candidates = {arm: numbers[index] for arm, numbers in trained.items()}
        best = tables.best(metric, candidates)
        rows.append((step, tuple((tables.number(value, places), arm in best) for arm, value in candidates.items())))
    curves = _curves(generation["steps"], metric, trained, references)
    return MetricPanel(
        metric, curves, tuple(rows), tuple(tables.number(value, places) for value in references.values())
    )


def _gap_panel(generation: Generation) -> MetricPanel:
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


def _cell(value: Cell) -> str:
    if value is None:
        return tables.ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
