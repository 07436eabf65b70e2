"""What `robustness.json` holds, and how it is read: accuracies by attack and strength."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

ATTACKS = {"pgd": ("PGD", ""), "fgsm": ("FGSM", "6 4"), "auto_attack": ("AutoAttack", "2 3")}
NORMS = {
    "linf": ("L∞", "No pixel changes by more than ε."),
    "l2": ("L₂", "The Euclidean length of the change is at most ε."),
}
NO_ATTACK = ("", 0.0)
Kind = tuple[str, str]
Level = tuple[str, float]


class MeanAccuracy(TypedDict):
    """A mean over episodes in [0, 1], and half the width of its 95 % confidence interval."""

    mean: float
    ci95: float


class AttackedAccuracy(MeanAccuracy):
    """Accuracy on attacked query images; `support` is `clean`, or `poisoned` where it was attacked too."""

    attack: str
    norm: str
    eps: float
    support: str


class MaskingCheck(TypedDict):
    passed: bool
    detail: str


class ClassifierResult(TypedDict):
    """One meta-trained classifier, evaluated in episodes of one shape; `name` is what it is called in a comparison."""

    name: NotRequired[str]
    method: str
    adversary: str
    n_way: int
    k_shot: int
    transductive: bool
    episodes: int
    natural: MeanAccuracy
    robust: Sequence[AttackedAccuracy]
    masking_checks: Mapping[str, MaskingCheck]
    seconds: NotRequired[Mapping[str, float]]


class Robustness(TypedDict):
    """What `data/08_reporting/robustness.json` holds."""

    models: Sequence[ClassifierResult]


def percent(fraction: float) -> str:
    """`83.1`, without the sign of percent."""
    return f"{100 * fraction:.1f}"


def epsilon(value: float) -> str:
    """`0.1`, or `8/255` where that is the rounder number."""
    levels = value * 255
    if abs(value - round(value, 2)) > 1e-9 and abs(levels - round(levels)) < 1e-6:
        return f"{levels:.0f}/255"
    return f"{value:.4g}"


def shape_of(model: ClassifierResult) -> tuple[int, int]:
    return model["n_way"], model["k_shot"]


def title(model: ClassifierResult) -> str:
    return f"{model['n_way']}-way {model['k_shot']}-shot"


def accuracy_table(model: ClassifierResult) -> dict[Kind, dict[Level, MeanAccuracy]]:
    """Accuracy by (support, attack) and by (norm, epsilon); that without any attack stands beside PGD."""
    rows = [row for row in model["robust"] if row["eps"] > 0 or row["support"] != "clean"]
    kinds = {("clean", "pgd"), *((row["support"], row["attack"]) for row in rows)}
    table: dict[Kind, dict[Level, MeanAccuracy]] = {
        kind: {} for kind in sorted(kinds, key=lambda kind: (kind[0], list(ATTACKS).index(kind[1])))
    }
    table["clean", "pgd"][NO_ATTACK] = model["natural"]
    for row in rows:
        level = (row["norm"], row["eps"]) if row["eps"] > 0 else NO_ATTACK
        table[row["support"], row["attack"]][level] = row
    return table


def attacked_rows(model: ClassifierResult) -> list[AttackedAccuracy]:
    """What is left under attack after an adaptation to the clean support set."""
    return [row for row in model["robust"] if row["support"] == "clean" and row["eps"] > 0]


def levels_of(rows: Iterable[AttackedAccuracy]) -> list[Level]:
    found = {(row["norm"], row["eps"]) for row in rows if row["eps"] > 0}
    return sorted(found, key=lambda level: (list(NORMS).index(level[0]), level[1]))
