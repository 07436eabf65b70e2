"""How adapted classifiers withstand attacks: a summary, curves over epsilon, tables, checks and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NotRequired, TypedDict

import numpy as np
from markupsafe import Markup

from metagan.errors import UserError
from metagan.reporting.charts import INK, Line, Reference, line_chart, marker_symbol
from metagan.reporting.figures import data_uri, tile
from metagan.reporting.tables import duration
from metagan.reporting.templates import template

METHODS = {
    "maml": "MAML",
    "fomaml": "first-order MAML",
    "reptile": "Reptile",
    "anil": "ANIL",
    "prototypical": "prototypical",
    "matching": "matching",
    "matching_fce": "matching with full context embeddings",
    "fine_tune": "fine-tuned",
}
ADVERSARIES = {
    "none": ("", "meta-trained on clean images only"),
    "support": ("attacked support", "meta-trained with attacks on the support images; the query stays clean"),
    "query": ("attacked query", "meta-trained with attacks on the query images; the support stays clean"),
    "both": ("attacked support and query", "meta-trained with attacks on support and query images"),
}
NATURAL = "none"
ATTACKS = {"pgd": ("PGD", ""), "fgsm": ("FGSM", "6 4"), "auto_attack": ("AutoAttack", "2 3")}
NORMS = {
    "linf": ("L∞", "No pixel changes by more than ε."),
    "l2": ("L₂", "The Euclidean length of the change is at most ε."),
}
COLOURS = ("#0067a5", "#c44f00", "#00805f", "#8a4a86", "#8f6a00", "#3a93c9", "#444444")
MARKERS = ("circle", "square", "triangle")
CHANCE_COLOUR = "#7a7a7a"
CHART_SIZE = (440, 250)
HEADLINE_SETTING, HEADLINE_EPSILON = (5, 1), 0.1
NO_ATTACK = ("", 0.0)

Kind = tuple[str, str]
Level = tuple[str, float]


class Estimate(TypedDict):
    """A mean over episodes in [0, 1], and half the width of its 95 % confidence interval."""

    mean: float
    ci95: float


class AttackedAccuracy(Estimate):
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
    natural: Estimate
    robust: Sequence[AttackedAccuracy]
    masking_checks: Mapping[str, MaskingCheck]
    seconds: NotRequired[Mapping[str, float]]


class Robustness(TypedDict):
    """What `data/08_reporting/robustness.json` holds."""

    models: Sequence[ClassifierResult]


@dataclass(frozen=True)
class Classifier:
    """A way of meta-training as it is named and drawn; `inference` is the word inductive or transductive."""

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


@dataclass(frozen=True)
class Row:
    """Accuracies under one attack, one cell (accuracy, is best) per level of the table; None where not measured."""

    attack: str
    cells: tuple[tuple[Estimate | None, bool], ...]


@dataclass(frozen=True)
class AttackedPicture:
    """A query image and its attacked copy as image sources, with the true and both predicted labels."""

    clean: str
    attacked: str
    label: int
    clean_prediction: int
    attacked_prediction: int


@dataclass(frozen=True)
class Result:
    """What one classifier did in one setting."""

    classifier: Classifier
    remark: str
    rows: tuple[Row, ...]
    checks: tuple[tuple[str, MaskingCheck], ...]
    pictures: tuple[AttackedPicture, ...]
    picture_epsilon: str


@dataclass(frozen=True)
class Setting:
    """Everything about one n-way k-shot: charts (title, explanation, svg), columns (norm, epsilons), results."""

    title: str
    chance: str
    charts: tuple[tuple[str, str, Markup], ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]
    results: tuple[Result, ...]

    @property
    def checks_passed(self) -> tuple[int, int]:
        passed = [check["passed"] for result in self.results for _, check in result.checks]
        return sum(passed), len(passed)


@dataclass(frozen=True)
class RobustnessSection:
    """The section of the report; `attacks` are the keys (symbol, name) of the kinds of line."""

    summary: str
    classifiers: tuple[Classifier, ...]
    attacks: tuple[tuple[Markup, str], ...]
    settings: tuple[Setting, ...]


def robustness_section(
    robustness: Robustness, pictures: Mapping[str, np.ndarray] | None = None, on_paper: bool = True
) -> RobustnessSection:
    """The section about `robustness`, whose M models `pictures` follows in order.

    `pictures`: uint8 `clean` and `attacked` (M, P, C, H, W), integer `label`, `clean_prediction` and
    `attacked_prediction` (M, P), and `eps` (M,), the L-infinity radius of the PGD attack. Grey images are drawn as
    dark ink on white when `on_paper`.
    Raises ValueError when there is no model, or an array of `pictures` is missing or has another shape.
    """
    models = robustness["models"]
    if not models:
        raise UserError("robustness.models is empty")
    if pictures is not None:
        _check_pictures(pictures, len(models))
    classifiers = _classifiers(models)
    settings = []
    for n_way, k_shot in dict.fromkeys(map(_shape, models)):
        members = [index for index, model in enumerate(models) if _shape(model) == (n_way, k_shot)]
        settings.append(_setting(models, members, classifiers, pictures, on_paper))
    attacks = sorted({row["attack"] for model in models for row in model["robust"]}, key=list(ATTACKS).index)
    return RobustnessSection(
        _summary(models, classifiers),
        tuple(dict.fromkeys(classifiers)),
        tuple((marker_symbol("", INK, dash), label) for label, dash in (ATTACKS[attack] for attack in attacks)),
        tuple(settings),
    )


def comparison_page(models: Sequence[ClassifierResult]) -> str:
    """The section about all methods of a comparison, as one HTML page that needs no other file."""
    page = template("classifiers.html.j2", percent=percent)
    return page.render(robustness=robustness_section({"models": models}))


def percent(fraction: float) -> str:
    """`83.1`, without the sign of percent."""
    return f"{100 * fraction:.1f}"


def epsilon(value: float) -> str:
    """`0.1`, or `8/255` where that is the rounder number."""
    levels = value * 255
    if abs(value - round(value, 2)) > 1e-9 and abs(levels - round(levels)) < 1e-6:
        return f"{levels:.0f}/255"
    return f"{value:.4g}"


def _interval(estimate: Estimate) -> str:
    return f"{percent(estimate['mean'])} ± {percent(estimate['ci95'])} %".replace(" ", "\N{NO-BREAK SPACE}")


def _check_pictures(pictures: Mapping[str, np.ndarray], n_models: int) -> None:
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction", "eps")
    if missing := [name for name in names if name not in pictures]:
        raise UserError(f"robustness_pictures lacks {', '.join(missing)}")
    clean = pictures["clean"]
    if clean.ndim != 5 or clean.shape[0] != n_models or clean.shape[2] not in (1, 3) or clean.dtype != np.uint8:
        raise UserError(
            f"robustness_pictures.clean must be uint8 ({n_models}, P, 1 or 3, H, W), got {clean.dtype} {clean.shape}"
        )
    attacked = pictures["attacked"]
    if attacked.shape != clean.shape or attacked.dtype != np.uint8:
        raise UserError(
            f"robustness_pictures.attacked must be uint8 {clean.shape}, got {attacked.dtype} {attacked.shape}"
        )
    for name in names[2:]:
        expected = clean.shape[:1] if name == "eps" else clean.shape[:2]
        if pictures[name].shape != expected:
            raise UserError(
                f"robustness_pictures.{name} must be {expected}, got {pictures[name].dtype} {pictures[name].shape}"
            )


def _shape(model: ClassifierResult) -> tuple[int, int]:
    return model["n_way"], model["k_shot"]


def _title(model: ClassifierResult) -> str:
    return f"{model['n_way']}-way {model['k_shot']}-shot"


def _in_words(name: str) -> str:
    """`pgd_beats_noise` as `PGD beats noise`."""
    return " ".join(ATTACKS[word][0] if word in ATTACKS else word for word in name.split("_"))


def _classifiers(models: Sequence[ClassifierResult]) -> list[Classifier]:
    """One per model; the same way of training looks the same in every setting."""
    identities = [(model.get("name"), model["method"], model["adversary"], model["transductive"]) for model in models]
    order = list(dict.fromkeys(identities))
    classifiers = []
    for identity in identities:
        place, (arm, method, adversary, transductive) = order.index(identity), identity
        name = METHODS.get(method, method)
        training, explanation = ADVERSARIES.get(adversary, (f"adversary {adversary}", "meta-trained under attack"))
        label = arm or (f"natural {name}" if adversary == NATURAL else f"{name} with {training}")
        inference = "transductive" if transductive else "inductive"
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        classifiers.append(Classifier(label, inference, explanation, colour, marker))
    return classifiers


def _accuracies(model: ClassifierResult) -> dict[Kind, dict[Level, Estimate]]:
    """Accuracy by (support, attack) and by (norm, epsilon); that without any attack stands beside PGD."""
    rows = [row for row in model["robust"] if row["eps"] > 0 or row["support"] != "clean"]
    kinds = {("clean", "pgd"), *((row["support"], row["attack"]) for row in rows)}
    table: dict[Kind, dict[Level, Estimate]] = {
        kind: {} for kind in sorted(kinds, key=lambda kind: (kind[0], list(ATTACKS).index(kind[1])))
    }
    table["clean", "pgd"][NO_ATTACK] = model["natural"]
    for row in rows:
        level = (row["norm"], row["eps"]) if row["eps"] > 0 else NO_ATTACK
        table[row["support"], row["attack"]][level] = row
    return table


def _attacked(model: ClassifierResult) -> list[AttackedAccuracy]:
    """What is left under attack after an adaptation to the clean support set."""
    return [row for row in model["robust"] if row["support"] == "clean" and row["eps"] > 0]


def _levels(rows: Iterable[AttackedAccuracy]) -> list[Level]:
    found = {(row["norm"], row["eps"]) for row in rows if row["eps"] > 0}
    return sorted(found, key=lambda level: (list(NORMS).index(level[0]), level[1]))


def _setting(
    models: Sequence[ClassifierResult],
    members: Sequence[int],
    classifiers: Sequence[Classifier],
    pictures: Mapping[str, np.ndarray] | None,
    on_paper: bool,
) -> Setting:
    shown = [models[index] for index in members]
    levels = _levels(row for model in shown for row in model["robust"])
    curves = dict.fromkeys(norm for norm, _ in _levels(row for model in shown for row in _attacked(model)))
    drawn = [classifiers[index] for index in members]
    accuracies = [_accuracies(model) for model in shown]
    results = []
    for index, model, classifier, table in zip(members, shown, drawn, accuracies, strict=True):
        rows = tuple(
            Row(
                ATTACKS[attack][0] + ("" if support == "clean" else f", {support} support"),
                tuple(_cell((support, attack), level, table, accuracies) for level in [NO_ATTACK, *levels]),
            )
            for support, attack in table
        )
        results.append(
            Result(
                classifier,
                _remark(model),
                rows,
                tuple((_in_words(name), check) for name, check in model["masking_checks"].items()),
                _pictures(pictures, index, on_paper) if pictures is not None else (),
                epsilon(float(pictures["eps"][index])) if pictures is not None else "",
            )
        )
    return Setting(
        _title(shown[0]),
        f"{100 / shown[0]['n_way']:.3g}",
        tuple((*NORMS[norm], _chart(norm, shown, drawn)) for norm in curves),
        tuple(
            (NORMS[norm][0], tuple(epsilon(eps) for _, eps in group))
            for norm, group in groupby(levels, key=lambda level: level[0])
        ),
        tuple(results),
    )


def _remark(model: ClassifierResult) -> str:
    trained = model.get("seconds", {}).get("meta_train")
    return f"{model['episodes']:,} episodes" + ("" if trained is None else f", trained in {duration(trained)}")


def _cell(
    kind: Kind,
    level: Level,
    table: Mapping[Kind, Mapping[Level, Estimate]],
    rivals: Sequence[Mapping[Kind, Mapping[Level, Estimate]]],
) -> tuple[Estimate | None, bool]:
    """The accuracy, and whether its interval reaches that of the best rival; nothing is best among one."""
    own = table[kind].get(level)
    if own is None:
        return None, False
    others = [rival[kind][level] for rival in rivals if level in rival.get(kind, {})]
    best = max(others, key=lambda estimate: estimate["mean"])
    reaches = own["mean"] + own["ci95"] >= best["mean"] - best["ci95"]
    return own, reaches and len(others) > 1


def _chart(norm: str, models: Sequence[ClassifierResult], classifiers: Sequence[Classifier]) -> Markup:
    lines = []
    for model, classifier in zip(models, classifiers, strict=True):
        for attack, (name, dash) in ATTACKS.items():
            rows = [row for row in _attacked(model) if (row["norm"], row["attack"]) == (norm, attack)]
            if not rows:
                continue
            points = [(0.0, model["natural"]), *((row["eps"], row) for row in sorted(rows, key=lambda row: row["eps"]))]
            xs = [eps for eps, _ in points]
            low, middle, high = (
                [100 * (estimate["mean"] + sign * estimate["ci95"]) for _, estimate in points] for sign in (-1, 0, 1)
            )
            label = f"{classifier}, {name}"
            lines.append(Line(label, classifier.colour, xs, middle, classifier.marker, dash, (low, high)))
    return line_chart(
        lines[::-1],  # drawn last lies on top: the first classifier
        [Reference("chance", CHANCE_COLOUR, 100 / models[0]["n_way"], "2 3")],
        description=f"{_title(models[0])} accuracy in percent over {NORMS[norm][0]} epsilon; the table has the numbers",
        x_label=f"{NORMS[norm][0]} ε",
        y_bounds=(0.0, 100.0),
        size=CHART_SIZE,
    )


def _pictures(pictures: Mapping[str, np.ndarray], index: int, on_paper: bool) -> tuple[AttackedPicture, ...]:
    names = ("clean", "attacked", "label", "clean_prediction", "attacked_prediction")
    clean, attacked, *labels = (pictures[name][index] for name in names)
    return tuple(
        AttackedPicture(_source(before, on_paper), _source(after, on_paper), *map(int, numbers))
        for before, after, *numbers in zip(clean, attacked, *labels, strict=True)
    )


def _source(image: np.ndarray, on_paper: bool) -> str:
    return data_uri(tile(image[None], on_paper, columns=1))


def _summary(models: Sequence[ClassifierResult], classifiers: Sequence[Classifier]) -> str:
    """One sentence about the most robust classifier and its natural twin; empty when nothing was attacked."""
    shapes = [_shape(model) for model in models]
    shape = HEADLINE_SETTING if HEADLINE_SETTING in shapes else shapes[0]
    attacked = {index: _attacked(model) for index, model in enumerate(models) if _shape(model) == shape}
    levels = _levels(row for rows in attacked.values() for row in rows)
    if not levels:
        return ""
    norm, eps = min(levels, key=lambda level: (level[0] != levels[0][0], abs(level[1] - HEADLINE_EPSILON)))
    worst = {
        index: min(there, key=lambda row: row["mean"])
        for index, rows in attacked.items()
        if (there := [row for row in rows if (row["norm"], row["eps"]) == (norm, eps)])
    }
    robust = [index for index in worst if models[index]["adversary"] != NATURAL] or list(worst)
    best = max(robust, key=lambda index: worst[index]["mean"])
    method, transductive = models[best]["method"], models[best]["transductive"]
    twins = [
        index
        for index in worst
        if index != best
        and (models[index]["method"], models[index]["adversary"], models[index]["transductive"])
        == (method, NATURAL, transductive)
    ]
    parts = [
        f"Under the strongest attack measured at {NORMS[norm][0]} ε = {epsilon(eps)}, {classifiers[best]} "
        f"recognises {_interval(worst[best])} of the query images in {_title(models[best])} episodes of unseen classes"
        f" ({_interval(models[best]['natural'])} without an attack)"
    ]
    for twin in twins[:1]:
        parts.append(
            f"its natural twin ({classifiers[twin].inference}) recognises {_interval(worst[twin])}"
            f" ({_interval(models[twin]['natural'])} without an attack)"
        )
    checks = models[best]["masking_checks"].values()
    if failed := sum(not check["passed"] for check in checks):
        parts.append(
            f"but {failed} of its {len(checks)} checks against gradient masking failed: it may be less robust than this"
        )
    return "; ".join(parts) + "."
