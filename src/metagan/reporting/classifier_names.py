"""What a way of meta-training a classifier is called, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from metagan.meta.methods import METHODS
from metagan.reporting.accuracies import ClassifierResult
from metagan.reporting.charts import marker_symbol

ADVERSARIES = {
    "none": ("", "meta-trained on clean {many} only"),
    "support": ("attacked support", "meta-trained with attacks on the support {many}; the query stays clean"),
    "query": ("attacked query", "meta-trained with attacks on the query {many}; the support stays clean"),
    "both": ("attacked support and query", "meta-trained with attacks on support and query {many}"),
}
NATURAL = "none"
COLOURS = ("#0067a5", "#c44f00", "#00805f", "#8a4a86", "#8f6a00", "#3a93c9", "#444444")
MARKERS = ("circle", "square", "triangle")


@dataclass(frozen=True)
class NamedClassifier:
    """A way of meta-training as it is named and drawn; `inference` is the word inductive or transductive,
    `explanation` is for `domains.Names.told`."""

    label: str
    inference: str
    explanation: str
    colour: str
    marker: str

    @property
    def key(self) -> Markup:
        return marker_symbol(self.marker, self.colour)

    def __str__(self) -> str:
        return f"{self.label} ({self.inference})"


def named(models: Sequence[ClassifierResult]) -> list[NamedClassifier]:
    """One per model; the same way of training looks the same in every setting."""
    identities = [(model.get("name"), model["method"], model["adversary"], model["transductive"]) for model in models]
    order = list(dict.fromkeys(identities))
    classifiers = []
    for identity in identities:
        place, (arm, method, adversary, transductive) = order.index(identity), identity
        name = METHODS[method].label if method in METHODS else method
        training, explanation = ADVERSARIES.get(adversary, (f"adversary {adversary}", "meta-trained under attack"))
        label = arm or (f"natural {name}" if adversary == NATURAL else f"{name} with {training}")
        inference = "transductive" if transductive else "inductive"
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        classifiers.append(NamedClassifier(label, inference, explanation, colour, marker))
    return classifiers
