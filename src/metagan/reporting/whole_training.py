"""The page of whole GAN trainings under a controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from metagan.reporting.charts import Line, Reference, captioned, line_chart
from metagan.reporting.tables import ABSENT, duration
from metagan.reporting.templates import template

COLOURS = {"fixed": "#5c5c5c", "untrained": "#6b6b00", "controller": "#0067a5"}
PLAYERS = {"generator": "#c44f00", "discriminator": "#00805f"}
SIZE = (420, 250)
Row = Mapping[str, Any]


def whole_training_page(results: Mapping[str, Any]) -> str:
    """A table of all settings, and for each the curves of both policies and what the controller sets."""
    rows = results["whole_training"]
    settings = [_setting(name, results) for name in dict.fromkeys(row["setting"] for row in rows)]
    page = template("whole_training.html.j2", duration=duration)
    return page.render(
        settings=settings,
        summary=summary_of(rows),
        tuned=results["tuned"],
        tried=len(results["tuned"]["tried"]),
        last=results["steps"][-1],
        interval=results["interval"],
        seconds=results["training_seconds"],
        training=_training(results["history"]),
        absent=ABSENT,
    )


def summary_of(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each setting and policy what the seeds gave: the final distances, each over the level of its seed, with mean
    and half the range, the shares of the steps to the level, and the mean number of the discriminator's steps."""
    found = []
    for setting, policy in dict.fromkeys((row["setting"], row["policy"]) for row in rows):
        own = [row for row in rows if (row["setting"], row["policy"]) == (setting, policy)]
        finals, ratios = ([row[key] for row in own] for key in ("final", "over_level"))
        found.append(
            {
                "setting": setting,
                "policy": policy,
                "final": _middle(finals),
                "over_level": _middle(ratios),
                "shares": [row["share_of_steps"] for row in own],
                "rescued": sum(row["rescued"] for row in own),
                "diverged": sum(row["diverged"] for row in own),
                "seeds": len(own),
                "turns": float(np.mean([np.mean(row["turns"]) for row in own])),
                "seconds": float(np.mean([row["seconds"] for row in own])),
            }
        )
    return found


def _middle(values: Sequence[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "half_range": (max(values) - min(values)) / 2}


def _setting(name: str, results: Mapping[str, Any]) -> dict[str, Any]:
    rows = [row for row in results["whole_training"] if row["setting"] == name]
    lines = []
    for policy, colour in COLOURS.items():
        curves = np.array([row["frechet"] for row in rows if row["policy"] == policy])
        band = (curves.min(0).tolist(), curves.max(0).tolist())
        lines.append(Line(policy, colour, results["steps"], curves.mean(0).tolist(), band=band))
    level = Reference("level", "#8a4a86", float(np.mean([row["level"] for row in rows])), "4 3")
    own = [row for row in rows if row["policy"] == "controller"]
    looks = [index * results["interval"] for index in range(len(own[0]["turns"]))]
    factors = np.mean([np.log10(row["rates"]) for row in own], axis=0)
    rates = [
        Line(player, colour, looks, factors[:, at].tolist()) for at, (player, colour) in enumerate(PLAYERS.items())
    ]
    turns = Line("steps", PLAYERS["discriminator"], looks, np.mean([row["turns"] for row in own], axis=0).tolist())
    charts = [
        _chart(lines, [level], "Frechet distance (mean, smallest and largest of the seeds)", "root"),
        _chart(rates, [], "Logarithms to base 10 of the rates that the controller sets", "linear"),
        _chart([turns], [], "Steps of the discriminator for one of the generator", "linear"),
    ]
    return {"name": name, "charts": charts}


def _training(history: Sequence[Row]) -> Markup:
    parts = [part for part in np.array_split(np.arange(len(history)), 30) if len(part)]
    steps, values = (np.array([row[name] for row in history]) for name in ("update", "log_distance"))
    x, y = ([float(numbers[part].mean()) for part in parts] for numbers in (steps, values))
    told = "Training of the controller: mean logarithm of the distance, of trainings of all ages"
    return _chart([Line("controller", COLOURS["controller"], x, y)], [], told, "linear", "updates")


def _chart(
    lines: Sequence[Line], references: Sequence[Reference], told: str, scale: str, x_label: str = "steps"
) -> Markup:
    drawn = line_chart(lines, references, description=told, x_label=x_label, y_scale=scale, size=SIZE)
    return captioned(told, drawn)
