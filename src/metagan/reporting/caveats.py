"""What a careful reader should hold against the numbers, found in the numbers themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from metagan.reporting import tables
from metagan.reporting.figures import after
from metagan.reporting.generation import Generation, names_of, values
from metagan.reporting.headline import value_at
from metagan.reporting.measures import ARMS, METRICS, TRAINED_ARMS, Arm, Metric
from metagan.reporting.panels import is_measured
from metagan.reporting.training_charts import skipped_updates

DECIDING = ("two_sample", "use", "fjd", "recognisability")
EQUAL_TIMES = 0.2  # share by which times of training may differ before it is told


def wins(generation: Generation) -> list[tuple[Arm, list[tuple[Metric, int, int]]]]:
    """For each rival and main metric: at how many of the steps from 1 on `adapted` is better."""
    rows = []
    for rival in TRAINED_ARMS[1:]:
        if rival.name not in generation["arms"]:
            continue
        counts = []
        for metric in METRICS:
            if metric.name not in DECIDING or not is_measured(generation, metric):
                continue
            pairs = zip(
                generation["steps"],
                values(generation, "adapted", metric.name),
                values(generation, rival.name, metric.name),
                strict=True,
            )
            better = [metric.shortfall(ours) < metric.shortfall(theirs) for step, ours, theirs in pairs if step > 0]
            counts.append((metric, sum(better), len(better)))
        rows.append((rival, counts))
    return rows


def caveats(generation: Generation, history: pd.DataFrame) -> list[str]:
    """A sentence each; the last two are always there."""
    return [
        *_of_the_comparison(generation),
        *_of_the_samples(generation),
        *_of_the_steps(generation),
        *_of_failures(generation, history),
        *_of_the_method(generation),
    ]


def _of_the_comparison(generation: Generation) -> Iterator[str]:
    if generation["split"] != "test":
        split = generation["split"]
        yield f"These are {split} classes, on which the checkpoint was chosen: expect less on test classes."
    for rival, counts in wins(generation):
        losses = [f"{metric.label} ({of - better} of {of} steps)" for metric, better, of in counts if better < of]
        if losses:
            yield f"Adapted is not better than {rival.label} everywhere: {', '.join(losses)}."
    if rates := generation.get("learning_rates"):
        for arm, rate in rates["best"].items():
            if rate in (min(rates["tried"]), max(rates["tried"])):
                yield (
                    f"On the val classes {ARMS[arm].label} did best at a rate of {rate:g}, an end of those that were "
                    "tried: one beyond it may be better."
                )
    seconds = generation.get("seconds", {})
    if "joint_gan" in seconds and abs(seconds["joint_gan"] / seconds["meta_train"] - 1) > EQUAL_TIMES:
        yield (
            f"{ARMS['fine_tuned'].label.capitalize()} starts from a GAN that was trained for "
            f"{tables.duration(seconds['joint_gan'])}, meta-training took {tables.duration(seconds['meta_train'])}: "
            "meta_train.joint.steps_per_meta_step would make the times equal."
        )


def _of_the_samples(generation: Generation) -> Iterator[str]:
    last, names = generation["steps"][-1], names_of(generation)
    for metric, low, high, meaning in (
        ("diversity", 0.75, 1.25, f"samples of a class vary {{}} than its real {names.many}"),
        ("memorisation", 0.35, 0.65, f"samples lie {{}} to the support {names.many} than unseen {names.many} do"),
    ):
        value = value_at(generation, "adapted", metric, last)
        if value < low or value > high:
            word = ("less", "more") if metric == "diversity" else ("less close", "closer")
            yield (
                f"{metric.capitalize()} of adapted is {tables.number(value)} {after(last)}: "
                f"{meaning.format(word[value > high])}."
            )


def _of_the_steps(generation: Generation) -> Iterator[str]:
    last, number = generation["steps"][-1], tables.number
    recognised = values(generation, "adapted", "recognisability")
    peak = max(filter(math.isfinite, recognised), default=math.nan)
    if peak > recognised[-1] + 0.02:
        best = generation["steps"][recognised.index(peak)]
        yield (
            f"Adapting longer does not always help: recognisability peaks {after(best)} at {number(peak, 3)} "
            f"and is {number(recognised[-1], 3)} {after(last)}."
        )
    if (before := _unmoved(generation)) is not None:
        yield (
            f"The steps change little: an FJD of {number(before[0], 3)} before the first and of {number(before[1], 3)} "
            f"{after(last)}. What the start makes of the support set does nearly all."
        )


def _unmoved(generation: Generation) -> tuple[float, float] | None:
    """FJD of `adapted` before and after all steps, if they are within a tenth of each other.

    And if the two-sample accuracy, where it was measured, moves by no more than the width of what chance gives.
    """
    distances, told = (values(generation, "adapted", metric) for metric in ("fjd", "two_sample"))
    low, high = generation.get("two_sample_null", (0.0, 0.0))
    if generation["steps"][0] != 0 or not abs(distances[-1] - distances[0]) < 0.1 * distances[0]:
        return None
    return None if abs(told[-1] - told[0]) > high - low else (distances[0], distances[-1])


def _of_failures(generation: Generation, history: pd.DataFrame) -> Iterator[str]:
    least = names_of(generation).least
    for arm, shares in generation.get("diverged", {}).items():
        if worst := max((share or 0.0 for share in shares), default=0.0):
            yield f"Up to {100 * worst:.1f} % of the {ARMS[arm].label} samples were not finite and count as {least}."
    if count := skipped_updates(history):
        yield f"{count} outer update{'s were' if count > 1 else ' was'} skipped for a gradient that was not finite."


def _of_the_method(generation: Generation) -> Iterator[str]:
    yield (
        "All features come from an embedder trained for this project, not from Inception: "
        "distances compare arms and runs of this source, not published numbers."
    )
    n_tasks, n_classes = generation["n_tasks"], generation.get("n_classes", generation["n_tasks"])
    drawn = f"{n_tasks} tasks" if n_classes == n_tasks else f"{n_tasks} tasks from only {n_classes} classes"
    yield f"One training run and one draw of {drawn}: small differences between arms may be chance."
