"""The page of RL² and MAML that find a goal in the plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from metagan.reporting.charts import Line, Reference, line_chart
from metagan.reporting.tables import duration
from metagan.reporting.templates import template

NAMES = {
    "rl2": "RL²",
    "rl2_untrained": "RL², untrained",
    "maml": "MAML, policy gradients",
    "scratch": "Policy gradients from scratch",
    "oracle": "Oracle",
}
COLOURS = {"rl2": "#0067a5", "rl2_untrained": "#5c5c5c", "maml": "#c44f00", "scratch": "#00805f", "oracle": "#8a4a86"}
MARKERS = {"rl2": "circle", "rl2_untrained": "", "maml": "square", "scratch": "triangle", "oracle": ""}
SHOWN = 4
"""Goals whose walks are drawn."""
POINTS = 60


def control_page(results: Mapping[str, Any]) -> str:
    """Tables, curves and walks as one HTML page that needs no other file."""
    policies = {row["policy"]: row for row in results["policies"]}
    return template("control.html.j2", duration=duration).render(
        results=results,
        policies=policies,
        names=NAMES,
        finding=_finding(policies),
        trainings={name: _training(NAMES[name], COLOURS[name], rows) for name, rows in results["history"].items()},
        walks=[_walks(policies, goal, index) for index, goal in enumerate(results["shown_goals"])],
    )


def _finding(policies: Mapping[str, Mapping[str, Any]]) -> Markup:
    lines = [
        Line(NAMES[name], COLOURS[name], row["walks_before"], [each["mean"] for each in row["earned"]], MARKERS[name])
        for name, row in policies.items()
        if name != "oracle"
    ]
    best = policies["oracle"]["earned"][0]["mean"]
    return line_chart(
        lines,
        [Reference("oracle", COLOURS["oracle"], best, "4 3")],
        description="total reward of a walk over the walks that came before; the table has the numbers",
        x_label="walks before",
        x_scale="log1p",
        y_scale="root",
        size=(520, 260),
    )


def _training(name: str, colour: str, history: list[dict[str, float]]) -> Markup:
    """The reward of what was learned from, in averages over a sixtieth of the training."""
    parts = [part for part in np.array_split(np.arange(len(history)), POINTS) if len(part)]
    steps, rewards = (np.array([update[column] for update in history]) for column in ("steps", "reward"))
    line = Line(name, colour, *([values[part].mean() for part in parts] for values in (steps / 1e6, rewards)))
    described = f"{name}: reward over millions of training steps"
    return line_chart([line], description=described, x_label="million steps", y_scale="root")


def _walks(policies: Mapping[str, Mapping[str, Any]], goal: list[float], index: int) -> Markup:
    """The last walk of RL² and of MAML to one of the goals."""
    lines = []
    for name in ("maml", "rl2"):
        places = np.array(policies[name]["shown_walks"][-1][index])
        lines.append(Line(NAMES[name], COLOURS[name], places[:, 0].tolist(), places[:, 1].tolist()))
    corners = [Line("", "none", [-0.6, 0.6], [-0.6, 0.6])]
    there = Line("goal", "#1a1a1a", [goal[0]], [goal[1]], "circle")
    return line_chart(
        [*corners, *lines, there],
        description=f"the last walks of RL² and MAML to the goal {goal[0]:.2f}, {goal[1]:.2f}",
        x_label="",
        y_bounds=(-0.6, 0.6),
        size=(220, 220),
    )
