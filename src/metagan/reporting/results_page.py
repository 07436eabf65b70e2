"""docs/results.md, written from the result files in docs/results/."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from metagan.reporting.tables import ABSENT

_NONE = object()
HEAD = (
    "# Results\n\n"
    "Every table is written from a file in `docs/results/` by `make results`: do not edit this page. Under each\n"
    "stands the command that made it, with commit, machine and date. A table marked *stale* was made by parameters\n"
    "that are no longer those of `conf/`: it says what was measured then.\n"
)


class Table(TypedDict):
    """Text above a table, its column names, its rows of cells, and remarks below it."""

    about: NotRequired[str]
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | int | None]]


class ResultFile(TypedDict):
    """One file of docs/results/: tables, pictures in docs/, and where they come from.

    `parameters` of `environment`, by section, made them; `stale` says that they are known to be others today.
    """

    title: str
    order: int
    tables: Sequence[Table]
    pictures: NotRequired[Sequence[str]]
    remarks: NotRequired[Sequence[str]]
    commands: Sequence[str]
    commit: str
    machine: str
    date: str
    environment: NotRequired[str]
    parameters: NotRequired[Mapping[str, Any]]
    stale: NotRequired[bool]


def results_page(files: Mapping[str, ResultFile]) -> str:
    """The whole page, from the files by name."""
    parts = sorted(files.values(), key=lambda result: (result["order"], result["title"]))
    return "\n".join([HEAD, *(_part(part) for part in parts)])


def differ(recorded: Mapping[str, Any], current: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether parameters are others than those that were recorded.

    One that is new since then must have its default, which is what was done before there was a choice.
    """
    for name in recorded.keys() | current.keys():
        then, now, default = (values.get(name, _NONE) for values in (recorded, current, defaults))
        if isinstance(then, Mapping) and isinstance(now, Mapping):
            if differ(then, now, default if isinstance(default, Mapping) else {}):
                return True
        elif now != (default if then is _NONE else then):
            return True
    return False


def _part(result: ResultFile) -> str:
    stale = " (stale)" if result.get("stale") else ""
    lines = [f"## {result['title']}{stale}", ""]
    for table in result["tables"]:
        if about := table.get("about"):
            lines += [_wrapped(about), ""]
        lines += [_row(table["columns"]), _row(["---"] * len(table["columns"]))]
        lines += [_row([_cell(value) for value in row]) for row in table["rows"]]
        lines.append("")
    for picture in result.get("pictures", ()):
        lines += [f"![{result['title']}]({picture})", ""]
    for remark in result.get("remarks", ()):
        lines += [_wrapped(remark), ""]
    lines += [f"    {command}" for command in result["commands"]]
    lines += ["", f"Commit {result['commit']}; {result['machine']}; {result['date']}.", ""]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "\\|")
