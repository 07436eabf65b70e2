"""Line charts as inline SVG: real text, no scripts, no fonts of their own, the same for the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 340, 204
LEFT, TOP, BOTTOM = 44, 10, 36
RIGHT, RIGHT_WITH_LABELS = 10, 52
INK, QUIET, RULE = "#1a1a1a", "#5c5c5c", "#e4e4e4"


@dataclass(frozen=True)
class Line:
    """One series; points whose y is NaN leave a gap."""

    label: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    marker: str = ""
    dash: str = ""
    band: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True)
class Reference:
    """A level drawn across the chart."""

    label: str
    colour: str
    value: float
    dash: str = ""


def linear(value: float) -> float:
    return value


def root(value: float) -> float:
    """Signed square root: spreads small distances, which are squares, and still holds 0."""
    return math.copysign(math.sqrt(abs(value)), value)


SCALES: dict[str, Callable[[float], float]] = {"linear": linear, "log1p": math.log1p, "root": root}


def line_chart(
    lines: Sequence[Line],
    references: Sequence[Reference] = (),
    *,
    description: str,
    x_label: str,
    x_ticks: Sequence[float] | None = None,
    x_scale: str = "linear",
    y_scale: str = "linear",
    y_bounds: tuple[float, float] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Markup:
    """An SVG element of `size`, width and height in units of which a letter is 11.5 high.

    `description` is what a screen reader says. Values outside `y_bounds` are drawn at the edge.
    """
    width, height = size
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in line.y] + [reference.value for reference in references]
    known = [y for y in ys if math.isfinite(y)]
    low, high = y_bounds or _padded(min(known, default=0.0), max(known, default=1.0))
    x_ticks = _ticks(min(xs), max(xs), 5) if x_ticks is None else x_ticks
    y_ticks = _root_ticks(low, high) if y_scale == "root" else _ticks(low, high, 4)
    right = width - (RIGHT_WITH_LABELS if references else RIGHT)
    x_at = _axis(SCALES[x_scale], min(xs), max(xs), LEFT + 6, right - 6)
    y_at = _axis(SCALES[y_scale], low, high, height - BOTTOM, TOP)

    svg = ElementTree.Element("svg", {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": description})
    for tick in y_ticks:
        _add(svg, "line", x1=LEFT, x2=right, y1=y_at(tick), y2=y_at(tick), stroke=RULE)
        _text(svg, f"{tick:g}".replace("-", "\N{MINUS SIGN}"), LEFT - 7, y_at(tick) + 4, "end")
    for tick in x_ticks:
        _text(svg, f"{tick:g}", x_at(tick), height - BOTTOM + 16, "middle")
    _text(svg, x_label, (LEFT + right) / 2, height - 4, "middle", fill=QUIET)
    _draw_references(svg, [reference for reference in references if math.isfinite(reference.value)], y_at, right)
    for line in lines:
        _draw_line(svg, line, x_at, y_at)
    return Markup(ElementTree.tostring(svg, encoding="unicode"))  # ElementTree escapes text and attributes


def captioned(told: str, chart: Markup) -> Markup:
    """A figure of a chart below what is told of it."""
    return Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(told, chart)


def marker_symbol(marker: str, colour: str, dash: str = "") -> Markup:
    """The key of a series in a legend: a piece of its line with its marker."""
    svg = ElementTree.Element("svg", {"viewBox": "0 0 30 12", "class": "key", "aria-hidden": "true"})
    _add(svg, "line", x1=0, x2=30, y1=6, y2=6, stroke=colour, stroke_width=2, stroke_dasharray=dash)
    _draw_marker(svg, marker, colour, 15, 6)
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def _axis(
    scale: Callable[[float], float], low: float, high: float, start: float, end: float
) -> Callable[[float], float]:
    span = scale(high) - scale(low) or 1.0
    return lambda value: start + (end - start) * (scale(min(max(value, low), high)) - scale(low)) / span


def _padded(low: float, high: float) -> tuple[float, float]:
    """The range of the data with a little room, from 0 where the data come near it."""
    pad = 0.06 * (high - low) or 0.5 * abs(high) or 0.5
    return (0.0 if 0 <= low < 0.5 * high else low - pad, high + pad)


def _ticks(low: float, high: float, count: int) -> list[float]:
    ticks = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [round(float(tick), 12) for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]


def _root_ticks(low: float, high: float) -> list[float]:
    """Round numbers that stand at least a seventh of the axis apart once their roots are taken."""
    exponents = range(-5, 7)
    sizes = [factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5)]
    candidates = sorted([-size for size in sizes] + [0.0] + sizes)
    inside = [tick for tick in candidates if low <= tick <= high]
    ticks: list[float] = [0.0] if low <= 0 <= high else inside[:1]
    apart = (root(high) - root(low)) / 7
    for tick in inside:
        if all(abs(root(tick) - root(other)) >= apart for other in ticks):
            ticks.append(tick)
    return sorted(float(f"{tick:.6g}") for tick in ticks)


def _draw_line(
    svg: ElementTree.Element, line: Line, x_at: Callable[[float], float], y_at: Callable[[float], float]
) -> None:
    if line.band is not None:
        lower, upper = line.band
        there = [(x_at(x), y_at(y)) for x, y in zip(line.x, upper, strict=True)]
        back = [(x_at(x), y_at(y)) for x, y in zip(line.x, lower, strict=True)]
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in there + back[::-1])
        _add(svg, "polygon", points=corners, fill=line.colour, fill_opacity=0.18)
    points = [(x_at(x), y_at(y), y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    path, pen_down = [], False
    for x, y in zip(line.x, line.y, strict=True):
        if math.isfinite(y):
            path.append(f"{'L' if pen_down else 'M'}{x_at(x):.1f} {y_at(y):.1f}")
        pen_down = math.isfinite(y)
    _add(
        svg,
        "path",
        d=" ".join(path),
        fill="none",
        stroke=line.colour,
        stroke_width=2,
        stroke_linejoin="round",
        stroke_dasharray=line.dash,
    )
    for x, y, value in points if line.marker else []:
        _draw_marker(svg, line.marker, line.colour, x, y, f"{line.label}: {value:.4g}")


def _draw_references(
    svg: ElementTree.Element, references: Sequence[Reference], y_at: Callable[[float], float], right: float
) -> None:
    """Levels from left to right, named in the right margin; names that would overlap are moved apart."""
    label_at = -math.inf
    for reference in sorted(references, key=lambda reference: y_at(reference.value)):
        y = y_at(reference.value)
        line = _add(svg, "line", x1=LEFT, x2=right, y1=y, y2=y, stroke=reference.colour, stroke_width=1.4)
        line.set("stroke-dasharray", reference.dash)
        label_at = max(y + 4, label_at + 13)
        _text(svg, reference.label, right + 5, label_at, "start", fill=reference.colour)


def _draw_marker(svg: ElementTree.Element, marker: str, colour: str, x: float, y: float, tip: str = "") -> None:
    style: dict[str, str | float] = {"fill": colour, "stroke": "#ffffff"}
    if marker == "circle":
        shape = _add(svg, "circle", cx=x, cy=y, r=4, **style)
    elif marker == "square":
        shape = _add(svg, "rect", x=x - 3.5, y=y - 3.5, width=7, height=7, **style)
    elif marker == "triangle":
        corners = f"{x:.1f},{y - 4.6:.1f} {x + 4.4:.1f},{y + 3.6:.1f} {x - 4.4:.1f},{y + 3.6:.1f}"
        shape = _add(svg, "polygon", points=corners, **style)
    else:
        return
    if tip:
        ElementTree.SubElement(shape, "title").text = tip


def _text(svg: ElementTree.Element, text: str, x: float, y: float, anchor: str, fill: str = INK) -> None:
    _add(svg, "text", x=x, y=y, fill=fill, text_anchor=anchor).text = text


def _add(svg: ElementTree.Element, tag: str, **attributes: str | float) -> ElementTree.Element:
    written = {
        name.replace("_", "-"): f"{value:.2f}" if isinstance(value, float) else str(value)
        for name, value in attributes.items()
    }
    return ElementTree.SubElement(svg, tag, {name: value for name, value in written.items() if value})
