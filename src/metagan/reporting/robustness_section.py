"""How adapted classifiers withstand attacks: a summary, curves over epsilon, tables, checks and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from metagan.domains import DOMAINS, Names
from metagan.errors import UserError
from metagan.reporting.accuracies import (
    ATTACKS,
    NO_ATTACK,
    NORMS,
    ClassifierResult,
    Kind,
    Level,
    MaskingCheck,
    MeanAccuracy,
    Robustness,
    accuracy_table,
    attacked_rows,
    epsilon,
    levels_of,
    percent,
    shape_of,
    title,
)
from metagan.reporting.attacked_pictures import Attacked, AttackedPicture, attacked_pictures, check_attacked
from metagan.reporting.charts import INK, Line, Reference, line_chart, marker_symbol
from metagan.reporting.classifier_names import NamedClassifier, named
from metagan.reporting.robustness_summary import summary
from metagan.reporting.tables import duration
from metagan.reporting.templates import template

CHANCE_COLOUR = "#7a7a7a"
CHART_SIZE = (440, 250)
IMAGES = DOMAINS["image"].names


@dataclass(frozen=True)
class AttackRow:
    """Accuracies under one attack, one cell (accuracy, is best) per level of the table; None where not measured."""

    attack: str
    cells: tuple[tuple[MeanAccuracy | None, bool], ...]


@dataclass(frozen=True)
class SettingResult:
    """What one classifier did in one setting."""

    classifier: NamedClassifier
    remark: str
    rows: tuple[AttackRow, ...]
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
    results: tuple[SettingResult, ...]

    @property
    def checks_passed(self) -> tuple[int, int]:
        passed = [check["passed"] for result in self.results for _, check in result.checks]
        return sum(passed), len(passed)


@dataclass(frozen=True)
class RobustnessSection:
    """The section of the report; `attacks` are the keys (symbol, name) of the kinds of line."""

    summary: str
    classifiers: tuple[NamedClassifier, ...]
    attacks: tuple[tuple[Markup, str], ...]
    settings: tuple[Setting, ...]


def robustness_section(
    robustness: Robustness, attacked: Attacked | None = None, names: Names = IMAGES
) -> RobustnessSection:
    """The section about `robustness`, whose models the pictures of `attacked` follow in order, of examples so named.

    Raises ValueError when there is no model, or an array of `attacked` is missing or has another shape.
    """
    models = robustness["models"]
    if not models:
        raise UserError("robustness.models is empty")
    if attacked is not None:
        check_attacked(attacked, len(models))
    classifiers = named(models)
    settings = []
    for n_way, k_shot in dict.fromkeys(map(shape_of, models)):
        members = [index for index, model in enumerate(models) if shape_of(model) == (n_way, k_shot)]
        settings.append(_setting(models, members, classifiers, attacked))
    attacks = sorted({row["attack"] for model in models for row in model["robust"]}, key=list(ATTACKS).index)
    return RobustnessSection(
        summary(models, classifiers, names.many),
        tuple(dict.fromkeys(classifiers)),
        tuple((marker_symbol("", INK, dash), label) for label, dash in (ATTACKS[attack] for attack in attacks)),
        tuple(settings),
    )


def comparison_page(models: Sequence[ClassifierResult], names: Names = IMAGES) -> str:
    """The section about all methods of a comparison, as one HTML page that needs no other file."""
    page = template("classifiers.html.j2", percent=percent, told=names.told)
    return page.render(robustness=robustness_section({"models": models}, names=names), names=names)


def _setting(
    models: Sequence[ClassifierResult],
    members: Sequence[int],
    classifiers: Sequence[NamedClassifier],
    attacked: Attacked | None,
) -> Setting:
    shown = [models[index] for index in members]
    levels = levels_of(row for model in shown for row in model["robust"])
    curves = dict.fromkeys(norm for norm, _ in levels_of(row for model in shown for row in attacked_rows(model)))
    drawn = [classifiers[index] for index in members]
    accuracies = [accuracy_table(model) for model in shown]
    results = []
    for index, model, classifier, table in zip(members, shown, drawn, accuracies, strict=True):
        rows = tuple(
            AttackRow(
                ATTACKS[attack][0] + ("" if support == "clean" else f", {support} support"),
                tuple(_cell((support, attack), level, table, accuracies) for level in [NO_ATTACK, *levels]),
            )
            for support, attack in table
        )
        results.append(
            SettingResult(
                classifier,
                _remark(model),
                rows,
                tuple((_in_words(name), check) for name, check in model["masking_checks"].items()),
                attacked_pictures(attacked, index) if attacked is not None else (),
                epsilon(float(attacked.arrays["eps"][index])) if attacked is not None else "",
            )
        )
    return Setting(
        title(shown[0]),
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
    table: Mapping[Kind, Mapping[Level, MeanAccuracy]],
    rivals: Sequence[Mapping[Kind, Mapping[Level, MeanAccuracy]]],
) -> tuple[MeanAccuracy | None, bool]:
    """The accuracy, and whether its interval reaches that of the best rival; nothing is best among one."""
    own = table[kind].get(level)
    if own is None:
        return None, False
    others = [rival[kind][level] for rival in rivals if level in rival.get(kind, {})]
    best = max(others, key=lambda estimate: estimate["mean"])
    reaches = own["mean"] + own["ci95"] >= best["mean"] - best["ci95"]
    return own, reaches and len(others) > 1


def _in_words(name: str) -> str:
    """`pgd_beats_noise` as `PGD beats noise`."""
    return " ".join(ATTACKS[word][0] if word in ATTACKS else word for word in name.split("_"))


def _chart(norm: str, models: Sequence[ClassifierResult], classifiers: Sequence[NamedClassifier]) -> Markup:
    lines = []
    for model, classifier in zip(models, classifiers, strict=True):
        for attack, (name, dash) in ATTACKS.items():
            rows = [row for row in attacked_rows(model) if (row["norm"], row["attack"]) == (norm, attack)]
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
        description=f"{title(models[0])} accuracy in percent over {NORMS[norm][0]} epsilon; the table has the numbers",
        x_label=f"{NORMS[norm][0]} ε",
        y_bounds=(0.0, 100.0),
        size=CHART_SIZE,
    )
