"""The page of invented classes: what they are worth, and each of them beside its nearest real relative."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from metagan.reporting.charts import Line, captioned, line_chart, marker_symbol
from metagan.reporting.figures import data_uri, picture_of
from metagan.reporting.tables import ABSENT, number
from metagan.reporting.templates import template
from metagan.tasks.bank import TaskBank

SHOWN = 8
MEASURES = {
    "classes": "classes",
    "new_and_consistent": "new and consistent",
    "new": "new",
    "consistent": "consistent",
    "copies": "copies",
    "far": "far",
    "repeated": "repeated",
    "sharp": "sharp",
    "learnable_generator": "learnable: generator",
    "learnable_distance": "learnable: distance",
    "learnable_classifier": "learnable: 5-way 1-shot",
    "learnable_from_scratch": "learnable: from scratch",
}
ARMS = {
    "real": "k real classes",
    "turned": "with quarter turns",
    "jitter": "with jitter",
    "turned_jitter": "with quarter turns and jitter",
    "mixed": "with mixed-up images",
    "single": "with single images, distorted (UMTRA)",
    "invented": "with invented classes",
    "invented_jitter": "with invented classes, and jitter",
    "mixed_in_turn": "with mixed-up images in turn, and jitter",
    "single_in_turn": "with single images in turn, and jitter",
    "invented_in_turn": "with invented classes in turn, and jitter",
    "invented_turned_in_turn": "with invented classes in turn, quarter turns and jitter",
    "invented_only": "invented classes alone",
    "all_real": "all train classes",
}


ROUND_ARMS = {
    "jitter": ("nothing invented", "#5c5c5c", "4 3"),
    "at_once": ("all before the first round", "#0067a5", ""),
    "anywhere": ("in rounds, anywhere", "#6b6b00", ""),
    "where_weak": ("in rounds, where it is weak", "#c44f00", ""),
}


def invention_page(
    bank: TaskBank,
    invented: TaskBank,
    table: pd.DataFrame,
    invention: Mapping[str, Any],
    use: Mapping[str, Any],
    rounds: Mapping[str, Any],
) -> str:
    """One HTML page that needs no other file."""
    sets = {"invented": invention["invented"], **invention["inventors"], **invention["controls"]}
    rows = [[name, *(_measure(own, measure) for measure in MEASURES)] for name, own in sets.items()]
    page = template("invention.html.j2", number=number)
    return page.render(
        measures=list(MEASURES.values()),
        rows=rows,
        limits=invention["limits"],
        made=invention["made"],
        alphabets=_alphabets(bank, invented, table, invention["classes"]),
        use=_use_tables(use),
        numbers=list(use["real_classes"]),
        source=bank.source,
        about=use,
        rounds=rounds,
        rounds_keys=[(label, marker_symbol("", *style)) for label, *style in ROUND_ARMS.values()],
        rounds_charts=[_rounds_chart(k, row) for k, row in rounds["real_classes"].items()],
        rounds_tables={k: _rounds_table(row) for k, row in rounds["real_classes"].items()},
    )


def _measure(row: Mapping[str, float], name: str) -> str:
    if name not in row:
        return ABSENT
    return str(row[name]) if name == "classes" else number(row[name])


def _use_tables(use: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """By the number of support images a row for each arm: its accuracy and its gain for each number of real classes."""
    columns = use["real_classes"].values()
    shots = [name for name in next(iter(columns)) if name.endswith("_shot")]
    return {
        name.replace("_", "-"): [
            [label, *(_accuracy(row[name][arm], arm) for row in columns)] for arm, label in ARMS.items()
        ]
        for name in shots
    }


def _accuracy(found: Mapping[str, Any], arm: str) -> str:
    added = "" if arm == "real" else _signed(found["gain"])
    if arm.endswith(("_jitter", "_in_turn")):
        added += f"; to jitter {_signed(found['beside_jitter'])}"
    return number(found["mean"], 1) + (f" ({added})" if added else "")


def _signed(gain: Mapping[str, float]) -> str:
    return f"{'+' if gain['mean'] > 0 else ''}{number(gain['mean'], 1)} ± {gain['ci95']:.1f}"


def _rounds_table(row: Mapping[str, Any]) -> list[list[str]]:
    """A row for each arm: its accuracy after each round, what it adds to jitter in the end, and what was invented."""
    return [
        [
            label,
            *(number(look["mean"], 1) for look in row[arm]["curve"]),
            "" if arm == "jitter" else _signed(row[arm]["gain"]),
            ", ".join(map(str, row[arm]["invented_classes"])),
        ]
        for arm, (label, *_) in ROUND_ARMS.items()
    ]


def _rounds_chart(k: str, row: Mapping[str, Any]) -> Markup:
    lines = []
    for arm, (label, colour, dash) in ROUND_ARMS.items():
        means = [look["mean"] for look in row[arm]["curve"]]
        numbers = [float(place) for place in range(1, len(means) + 1)]
        lines.append(Line(label, colour, numbers, means, dash=dash))
    about = f"{k} real classes: accuracy in percent after each round"
    drawn = line_chart(lines, description=about, x_label="rounds", x_ticks=range(1, len(means) + 1))
    return captioned(about, drawn)


def _alphabets(
    bank: TaskBank, invented: TaskBank, table: pd.DataFrame, classes: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """The classes of each inventor, with their pictures."""
    place_of = {bank.classes[index].name: int(index) for index in bank.splits["train"]}
    alphabets: dict[str, list[dict[str, Any]]] = {}
    for index, (own, origin) in enumerate(zip(classes, table.to_dict("records"), strict=True)):
        relative = place_of[own["nearest"]]
        card = {
            **own,
            "picture": _picture(invented, index),
            "relative": _picture(bank, relative),
            "parents": json.loads(origin["parents"]),
            "way": origin["way"],
        }
        alphabets.setdefault(origin["inventor"], []).append(card)
    return alphabets


def _picture(bank: TaskBank, index: int) -> str:
    return data_uri(picture_of(bank.example, bank.class_images(index)[:SHOWN], SHOWN))
