"""The results as plain tables: what each arm and metric is called, which numbers are best, how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from metagan.errors import UserError

Cell = str | int | float | bool | None
HEADLINE_EPSILON = 0.1  # the radius of the attack that is spoken of when one number must do
ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


class LearningRates(TypedDict):
    """Of the arms that step by gradient descent: the rates tried on the val classes, and the best for each arm."""

    tried: list[float]
    best: Mapping[str, float]


class Accuracy(TypedDict):
    mean: float
    ci95: float


class Use(TypedDict):
    """Accuracy of classifiers by the number of support images and by what they were trained on."""

    n_way: int
    episodes: int
    samples_per_class: int
    step: int
    by_shots: Mapping[str, Mapping[str, Accuracy]]


class Generation(TypedDict):
    """What `data/08_reporting/generation.json` holds: one number per step, a single one for `copycat` and `real`."""

    source: str
    split: str
    n_tasks: int
    n_classes: NotRequired[int]
    k_shot: int
    n_way: NotRequired[int]
    steps: list[int]
    arms: Mapping[str, Mapping[str, Sequence[float | None] | float | None]]
    gap_closed: Sequence[float | None]
    two_sample_null: NotRequired[Sequence[float]]
    use: NotRequired[Use]
    diverged: NotRequired[Mapping[str, Sequence[float | None]]]
    embedder: NotRequired[Mapping[str, float]]
    learning_rates: NotRequired[LearningRates]
    seconds: NotRequired[Mapping[str, float]]


@dataclass(frozen=True)
class Arm:
    """One method in the comparison; colours are from Okabe and Ito's colour-blind-safe palette, darkened for text."""

    name: str
    label: str
    explanation: str
    colour: str
    marker: str = ""
    dash: str = ""


TRAINED_ARMS = (
    Arm(
        "adapted",
        "adapted",
        "the meta-learned networks after n adversarial steps on the support set",
        "#0067a5",
        "circle",
    ),
    Arm(
        "fine_tuned",
        "fine-tuned",
        "an ordinary GAN, trained on all train classes for as long as the meta-learned networks, then the same n steps",
        "#c44f00",
        "square",
    ),
    Arm(
        "scratch",
        "scratch",
        "the same networks and the same n steps from a random initialisation",
        "#00805f",
        "triangle",
    ),
)
REFERENCE_ARMS = (
    Arm("real", "real", "real images of the same classes: the floor of every distance", "#1a1a1a", dash="6 4"),
    Arm("copycat", "copycat", "the support images repeated: faithful, but nothing new", "#7a7a7a", dash="2 3"),
)
ARMS = {arm.name: arm for arm in TRAINED_ARMS + REFERENCE_ARMS}


@dataclass(frozen=True)
class Metric:
    """A metric and the value it should have: `goal` is -inf (lower is better), inf (higher is better) or a target."""

    name: str
    label: str
    goal: float
    explanation: str
    scale: str = "linear"
    bounds: tuple[float, float] | None = None

    @property
    def arrow(self) -> str:
        if math.isinf(self.goal):
            return "↑" if self.goal > 0 else "↓"
        return f"→ {self.goal:g}"

    @property
    def direction(self) -> str:
        if math.isinf(self.goal):
            return "higher is better" if self.goal > 0 else "lower is better"
        return f"closer to {self.goal:g} is better"

    def shortfall(self, value: float) -> float:
        """How far a value is from the goal; only the order of shortfalls has a meaning."""
        if math.isinf(self.goal):
            return -value if self.goal > 0 else value
        return abs(value - self.goal)


SHARE = (0.0, 1.0)
METRICS = (
    Metric(
        "two_sample",
        "Two-sample test",
        0.5,
        "How often a small network tells samples, as they are saved, from real images of classes that it was not "
        "trained on (Lopez-Paz and Oquab 2017): 0.5 if it cannot.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_binarised",
        "Two-sample test, binarised",
        0.5,
        "The same where every pixel is set to black or white at a half: greys are forgiven, strokes are not.",
        bounds=SHARE,
    ),
    Metric(
        "use",
        "Use",
        math.inf,
        "Accuracy on real images of a classifier that is trained from scratch on samples alone (Ravuri and Vinyals "
        "2019); on the support images for arms that do not adapt.",
        bounds=SHARE,
    ),
    Metric(
        "recognisability",
        "Recognisability",
        math.inf,
        "Share of samples that the embedder, shown one real image of each of many classes, takes for their own class. "
        "None of those images was adapted to.",
        bounds=SHARE,
    ),
    Metric(
        "fjd",
        "FJD",
        -math.inf,
        "Fréchet joint distance of samples with their task's support set: sees whether a sample belongs to its class.",
        scale="root",
    ),
    Metric(
        "fid",
        "FID",
        -math.inf,
        "Fréchet distance between all samples and all real images, blind to their classes.",
        scale="root",
    ),
    Metric(
        "kid",
        "KID",
        -math.inf,
        "Kernel distance between all samples and all real images: unbiased, so it may fall below 0.",
        scale="root",
    ),
    Metric(
        "diversity",
        "Diversity",
        1.0,
        "Spread of a class's samples over the spread of its real images; 0 when all samples are alike.",
    ),
    Metric(
        "memorisation",
        "Memorisation",
        0.5,
        "Share of samples nearer to a support image than to any unseen image of the class; 1 for copies.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_neighbours",
        "Two-sample test, nearest neighbours",
        0.5,
        "By nearest neighbours in the features of an embedder that nothing else uses.",
        bounds=SHARE,
    ),
    Metric(
        "two_sample_features",
        "Two-sample test, features",
        0.5,
        "By a network of 20 hidden units on the same features.",
        bounds=SHARE,
    ),
    Metric(
        "precision", "Precision", math.inf, "Share of samples that fall among the real images: fidelity.", bounds=SHARE
    ),
    Metric("recall", "Recall", math.inf, "Share of real images that fall among the samples: variety.", bounds=SHARE),
    Metric(
        "density",
        "Density",
        math.inf,
        "Precision that counts how many real neighbourhoods hold a sample; may exceed 1.",
    ),
    Metric(
        "coverage", "Coverage", math.inf, "Share of real images with a sample in their neighbourhood.", bounds=SHARE
    ),
)


def values(generation: Generation, arm: str, metric: str) -> list[float]:
    """The numbers of one arm, one per step (a single one for `real` and `copycat`); absent numbers are NaN.

    Raises ValueError when a trained arm has not one number per step.
    """
    expected = 1 if ARMS[arm] in REFERENCE_ARMS else len(generation["steps"])
    found = generation["arms"].get(arm, {}).get(metric)
    if found is None:
        return [math.nan] * expected
    numbers = floats(found if isinstance(found, Sequence) else [found])
    if len(numbers) != expected:
        raise UserError(f"generation.arms.{arm}.{metric} has {len(numbers)} values, expected {expected}")
    return numbers


def floats(numbers: Iterable[float | None]) -> list[float]:
    return [math.nan if number is None else float(number) for number in numbers]


def best(metric: Metric, candidates: Mapping[str, float]) -> set[str]:
    """The arms with the best value; all of them when they tie, none when there is nothing to compare."""
    known = {arm: metric.shortfall(value) for arm, value in candidates.items() if not math.isnan(value)}
    if len(known) < 2:
        return set()
    return {arm for arm, shortfall in known.items() if shortfall == min(known.values())}


def decimals(numbers: Iterable[float]) -> int:
    """Decimal places, 2 to 4, that show two digits of the smallest number."""
    sizes = [abs(number) for number in numbers if math.isfinite(number) and number != 0]
    return min(4, max(2, 1 - math.floor(math.log10(min(sizes))))) if sizes else 2


def number(value: float | None, places: int = 2) -> str:
    """A number for people: a dash when absent, a true minus sign, no decimals from a hundred on."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    written = f"{value:,.{0 if abs(value) >= 100 else places}f}"
    return written.replace("-", MINUS) if float(written.replace(",", "")) else written.lstrip("-")


def duration(seconds: float) -> str:
    """Seconds for people: `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 04 min`."""
    if not math.isfinite(seconds):
        return ABSENT
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def flatten(nested: object, prefix: str = "") -> dict[str, Cell]:
    """Nested mappings as one mapping with dotted names; sequences are written on one line."""
    if isinstance(nested, Mapping):
        flat: dict[str, Cell] = {}
        for name, value in nested.items():
            flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
        return flat
    if isinstance(nested, list | tuple | set):
        return {prefix: ", ".join(map(str, nested))}
    return {prefix: nested if isinstance(nested, str | int | float | bool | None) else str(nested)}


@dataclass(frozen=True)
class Grid:
    """A table with a title: column names, and rows of cells that start with the row's name."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def card(contents: Mapping[str, object]) -> tuple[dict[str, Cell], list[Grid]]:
    """A data card as facts and tables: a mapping of mappings or a list of mappings becomes a table, the rest facts."""
    facts: dict[str, Cell] = {}
    grids: list[Grid] = []
    for name, content in contents.items():
        if isinstance(content, Mapping) and content and all(isinstance(row, Mapping) for row in content.values()):
            grids.append(_grid(name, {str(row): cells for row, cells in content.items()}))
        elif isinstance(content, list | tuple) and content and all(isinstance(row, Mapping) for row in content):
            grids.append(_grid(name, {str(index): cells for index, cells in enumerate(content, start=1)}))
        else:
            facts |= flatten({name: content})
    return facts, grids


def _grid(title: str, rows: Mapping[str, Mapping[str, object]]) -> Grid:
    flat = {name: flatten(cells) for name, cells in rows.items()}
    columns = tuple(dict.fromkeys(column for cells in flat.values() for column in cells))
    return Grid(
        title, columns, tuple((name, *(cells.get(column) for column in columns)) for name, cells in flat.items())
    )
