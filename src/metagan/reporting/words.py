"""Words of unseen classes as a page, and the curve of quality and diversity as a picture."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

ARMS = {
    "model": ("adapted model", "#0067a5", "o"),
    "n_grams": ("n-grams of the support words", "#c44f00", "s"),
    "n_grams_of_all": ("n-grams of all train languages and the support words", "#00805f", "^"),
}
REFERENCES = {"real": ("real words", "#1a1a1a", "*"), "copies": ("copies of the support words", "#7a7a7a", "X")}
COLUMNS = ("js_1", "js_2", "js_3", "quality", "diversity", "recognisability", "novelty", "uniqueness")
SHOWN = {"support": "shown", "real": "real, unseen", **{arm: label for arm, (label, _, _) in ARMS.items()}}


def curve_picture(table: Mapping[str, Any]) -> Image.Image:
    """Quality over diversity, a point for each temperature."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for arm, (label, colour, marker) in ARMS.items():
        rows = table["arms"][arm]
        axes.plot(
            [row["diversity"] for row in rows],
            [row["quality"] for row in rows],
            color=colour,
            marker=marker,
            label=label,
        )
    for arm, (label, colour, marker) in REFERENCES.items():
        axes.plot(table[arm]["diversity"], table[arm]["quality"], marker, color=colour, label=label, markersize=10)
    axes.set_xlabel("diversity: share of unseen words' trigrams that are among the samples'")
    axes.set_ylabel("quality: share of samples' trigrams in unseen words")
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return Image.open(buffer)


def page(table: Mapping[str, Any]) -> str:
    """Markdown: the table, how far the model is above the curves, and words of some classes."""
    lines = [
        f"# Words of {table['classes']} unseen classes",
        "",
        f"{table['k_shot']} words shown, {table['step']} adversarial steps, {table['samples']} words written. Of the "
        f"mixture, {table['share_of_support']:g} is of the support words. Temperatures of the adapted model are "
        "multiples of its own. js: Jensen-Shannon divergence of n-grams to the rest of the class, in bits.",
        "",
        f"| arm | temperature | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for arm in REFERENCES:
        lines.append(_row(REFERENCES[arm][0], "", table[arm]))
    for arm, (label, _, _) in ARMS.items():
        lines += [_row(label, f"{row['temperature']:g}", row) for row in table["arms"][arm]]
    lines += ["", "Quality above a curve at the same diversity, by temperature:", ""]
    heats = [row["temperature"] for row in table["arms"]["model"]]
    for arm, margins in table["above"].items():
        told = [
            f"{heat:g}: {'beyond it' if margin is None else f'{margin:+.3f}'}"
            for heat, margin in zip(heats, margins, strict=True)
        ]
        lines.append(f"- {ARMS[arm][0]}: {', '.join(told)}")
    for shown in table["shown"]:
        lines += ["", f"## {shown['class']}", ""]
        lines += [f"- {label}: {_listed(shown[name])}" for name, label in SHOWN.items()]
    return "\n".join(lines) + "\n"


def _row(label: str, temperature: str, values: Mapping[str, float]) -> str:
    return f"| {label} | {temperature} | {' | '.join(f'{values[name]:.3f}' for name in COLUMNS)} |"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(unicodedata.normalize("NFC", word) or "(nothing)" for word in words)
