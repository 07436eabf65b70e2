"""The page of update rules against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from markupsafe import Markup

from metagan.parameters.compare_rules import AS_TRAINED
from metagan.reporting.charts import Line, Reference, captioned, line_chart, marker_symbol
from metagan.reporting.tables import ABSENT
from metagan.reporting.templates import template

STARTS = {"random": "From random networks", "meta": "From the meta-learned start"}
COLOURS = ("#0067a5", "#c44f00", "#00805f", "#8a4a86", "#5c5c5c", "#a8003b", "#6b6b00", "#00767f")
METRICS = {"fjd": "FJD", "two_sample": "Two-sample test", "recognisability": "Recognisability"}
PLAYERS = ("generator", "discriminator")
Row = Mapping[str, Any]


def rules_page(results: Mapping[str, Any]) -> str:
    """For each setting and start a table, and curves of what samples are worth and how far steps go, as one page."""
    rows, steps = results["settings"], results["steps"]
    starts = []
    for name, own in by_place(rows).items():
        rules = by_rule(own)
        charts = [_curves(metric, steps, rules) for metric in METRICS if metric in rows[0]["curve"]]
        charts += [_changes(player, rules) for player in PLAYERS]
        told = [
            {**_told(*rule), "symbol": marker_symbol("", colour)}
            for rule, colour in zip(rules.items(), cycle(COLOURS), strict=False)
        ]
        starts.append({"name": name, "rules": told, "charts": charts})
    return template("rules.html.j2").render(
        starts=starts, level_step=results["level_step"], last=steps[-1], absent=ABSENT
    )


def name_of(row: Row) -> str:
    """As a person calls the rule."""
    players = [row["rule_generator"], row["rule_discriminator"]]
    both = players[0] if players[0] == players[1] else f"{players[0]}, discriminator {players[1]}"
    anew = "tuned here" if row["tuned_in"] not in ("", AS_TRAINED) else ""
    return f"{both} ({row['trained_by'] or anew})" if row["trained_by"] or anew else both


def by_place(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each setting and start by what a person calls it."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        setting = "" if row["setting"] == AS_TRAINED else f", elsewhere: {row['setting']}"
        found.setdefault(f"{STARTS[row['start']]}{setting}", []).append(row)
    return found


def by_rule(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of all seeds by the name of the rule."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(name_of(row), []).append(row)
    return found


def _told(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """What the table says of one rule, as means over seeds; the rates and the steps to the level of each of them."""
    rates = [" and ".join(f"{rate:g}" for rate in row["rates"]) for row in rows if row["rates"]]
    told = {"name": name, "rates": rates, "reached": [row["steps_to_level"] for row in rows]}
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("auc", "diverged", "collapsed", "vanished")}
    return {**told, **means, "level": float(np.mean([row["level"] for row in rows]))}


def _curves(metric: str, steps: Sequence[int], rules: Mapping[str, Sequence[Row]]) -> Markup:
    lines = [
        Line(name, colour, steps, np.mean([row["curve"][metric] for row in rows], axis=0).tolist())
        for (name, rows), colour in zip(rules.items(), cycle(COLOURS), strict=False)
    ]
    level = [Reference("level", "#5c5c5c", next(iter(rules.values()))[0]["level"], "4 3")] if metric == "fjd" else []
    scale = "root" if metric == "fjd" else "linear"
    return _chart(lines, level, f"{METRICS[metric]} over inner steps", scale)


def _changes(player: str, rules: Mapping[str, Sequence[Row]]) -> Markup:
    lines = []
    for (name, rows), colour in zip(rules.items(), cycle(COLOURS), strict=False):
        sizes = np.mean([row["change"][player] for row in rows], axis=0)
        lines.append(Line(name, colour, range(1, len(sizes) + 1), sizes.tolist()))
    return _chart(lines, [], f"How far a step moves the {player}, root mean square", "root")


def _chart(lines: Sequence[Line], references: Sequence[Reference], told: str, scale: str) -> Markup:
    drawn = line_chart(
        lines, references, description=told, x_label="inner steps", x_scale="log1p", y_scale=scale, size=(520, 280)
    )
    return captioned(told, drawn)
