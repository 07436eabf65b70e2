"""The page of continual training: what each kind forgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from metagan.reporting.charts import Line, captioned, line_chart, marker_symbol
from metagan.reporting.tables import duration, number
from metagan.reporting.templates import template

LABELS = {
    "iid": "in random order",
    "none": "nothing against forgetting",
    "reservoir": "replay of kept tasks",
    "ewc": "elastic weights",
    "generated": "replay of generated tasks",
}
STYLES = {
    "iid": ("#5c5c5c", "4 3"),
    "none": ("#c44f00", ""),
    "reservoir": ("#0067a5", ""),
    "ewc": ("#6b6b00", ""),
    "generated": ("#00805f", ""),
}
MEASURES = {
    "recognisability": "recognisability (higher is better)",
    "fjd": "FJD (lower is better)",
    "accuracy": "accuracy (higher is better)",
}
SAID = {
    "average": "average at the end",
    "forgetting": "forgetting",
    "backward_transfer": "backward transfer",
    "regret": "regret of a first adaptation",
}


def continual_page(results: Mapping[str, Any]) -> str:
    """For each measure a table of the arms, charts of each phase over the stream, and the matrices."""
    page = template("continual.html.j2", duration=duration)
    keys = [(LABELS[name], marker_symbol("", *STYLES[name])) for name in results["arms"]]
    sections = [
        {
            "name": told,
            "rows": [
                [LABELS[name], *(number(own[measure][said], 3) for said in SAID)]
                for name, own in results["arms"].items()
            ],
            "charts": [_chart(results, measure, place) for place in range(len(results["phases"]))],
            "matrices": [
                (LABELS[name], [[number(value, 3) for value in row] for row in own[measure]["matrix"]])
                for name, own in results["arms"].items()
            ],
        }
        for measure, told in ((measure, MEASURES[measure]) for measure in results["measures"])
    ]
    seconds = {LABELS[name]: own["seconds"] for name, own in results["arms"].items()}
    return page.render(results=results, sections=sections, said=list(SAID.values()), keys=keys, seconds=seconds)


def _chart(results: Mapping[str, Any], measure: str, place: int) -> Markup:
    lines, segments = [], range(1, results["segments"] + 1)
    for name, own in results["arms"].items():
        values = [row[place] for row in own[measure]["matrix"]]
        looks = [segments[-1] * look / len(values) for look in range(1, len(values) + 1)]
        colour, dash = STYLES[name]
        lines.append(Line(LABELS[name], colour, looks, values, dash=dash))
    told = f"Phase {place + 1}, {results['phases'][place]['name']}"
    scale = "root" if measure == "fjd" else "linear"
    about, below = f"{told}: {measure}", "segments of the stream"
    drawn = line_chart(lines, description=about, x_label=below, x_ticks=segments, y_scale=scale)
    return captioned(told, drawn)
