"""Numbers and tables as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Cell = str | int | float | bool | None
ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def floats(numbers: Iterable[float | None]) -> list[float]:
    return [math.nan if number is None else float(number) for number in numbers]


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
