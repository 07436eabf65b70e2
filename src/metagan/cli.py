"""`kedro run` as Kedro has it, but that `--params` takes lists and mappings, and that what cannot be read of it is told
in one line."""

from __future__ import annotations

from copy import copy
from reprlib import Repr
from typing import Any

import click
from kedro.framework.cli import project
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

_shortened = Repr()
_shortened.maxstring = 100


def _split(context: click.Context, option: click.Option, value: Any) -> Any:
    """The parameters by their names. Raises ClickException that shows what is wrong."""
    if not isinstance(value, str):
        return value
    part, items = "", _items(value)
    try:
        for part in items:
            OmegaConf.from_dotlist([_assignment(part)])
        part = value
        return OmegaConf.to_container(OmegaConf.from_dotlist([_assignment(item) for item in items]))
    except (YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise click.ClickException(f"--params: {_shortened.repr(part)} cannot be read: {reason}") from None


def _items(text: str) -> list[str]:
    """The text cut at commas, but not within a list, a mapping or a quoted text, which Kedro cuts into pieces."""
    items, depth, quote = [""], 0, ""
    for sign in text:
        before = items[-1].rstrip()[-1:]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'" and (before == "=" or (depth and before in "[{,:")):
            quote = sign
        elif sign in "[{" and (before == "=" or depth):
            depth += 1
        elif sign in "]}" and depth:
            depth -= 1
        if sign == "," and not depth and not quote:
            items.append("")
        else:
            items[-1] += sign
    return [item.strip() for item in items if item.strip()]


def _assignment(item: str) -> str:
    name, equals, value = item.partition("=")
    if not (equals and name.strip()) or "[" in name:  # to OmegaConf a place in a list
        raise ValueError("must be a name and a value, as in seed=1")
    return f"{name.strip()}={value}"


def _with_params(run: click.Command) -> click.Command:
    run = copy(run)
    run.params = [copy(option) for option in run.params]
    for option in run.params:
        if option.name == "params":
            option.callback = _split
    return run


cli = click.Group(commands={"run": _with_params(project.run)})
"""Where Kedro looks for commands of a project."""
