"""The page of RL² on problems with known answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from metagan.reporting.charts import Line, Reference, line_chart
from metagan.reporting.tables import ABSENT, duration
from metagan.reporting.templates import template

NAMES = {
    "random": "Random",
    "greedy": "Greedy",
    "ucb1": "UCB1",
    "thompson": "Thompson sampling",
    "gittins": "Gittins index",
    "epsilon_greedy": "Epsilon-greedy",
    "psrl": "PSRL",
    "rl2": "RL²",
    "oracle": "Oracle",
}
DRAWN = {"random": "#5c5c5c", "thompson": "#00805f", "gittins": "#c44f00", "psrl": "#c44f00", "oracle": "#8a4a86"}
POINTS = 60


def bandits_page(results: Mapping[str, Any]) -> str:
    """A table for each problem, and the agent's reward while it trained, as one HTML page that needs no other file."""
    problems = [{**row, "chart": _chart(row)} for row in (*results["bandits"], *results["mdp"])]
    page = template("bandits.html.j2", duration=duration)
    return page.render(problems=problems, names=NAMES, absent=ABSENT)


def _chart(row: Mapping[str, Any]) -> Markup:
    """The reward of trials that the agent learned from, in averages over a sixtieth of the training."""
    parts = [part for part in np.array_split(np.arange(len(row["history"])), POINTS) if len(part)]
    steps, rewards = (np.array([update[name] for update in row["history"]]) for name in ("steps", "reward"))
    line = Line("RL²", "#0067a5", *([values[part].mean() for part in parts] for values in (steps / 1e6, rewards)))
    known = {policy["policy"]: policy["mean"] for policy in row["policies"]}
    references = [Reference(NAMES[name], colour, known[name], "4 3") for name, colour in DRAWN.items() if name in known]
    described = f"{row['name']}: total reward of a trial over millions of training steps"
    return line_chart([line], references, description=described, x_label="million steps", size=(520, 260))
