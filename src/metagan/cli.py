"""`kedro run` as Kedro has it, but that it refuses what it cannot read of `--params` in one line."""

from __future__ import annotations

from copy import copy
from reprlib import Repr
from typing import Any

import click
from kedro.framework.cli import project
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

_shortened = Repr()
_shortened.maxstring = 100


def _split(context: click.Context, option: click.Option, value: Any) -> Any:
    """The parameters by their names, as Kedro splits them at commas. Raises ClickException that shows what is wrong."""
    parts = (*value.split(","), value) if isinstance(value, str) else (value,)
    try:
        return [project._split_params(context, option, part := each) for each in parts][-1]
    except (click.UsageError, YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        if isinstance(error, click.UsageError):
            reason = "must be a name and a value, as in seed=1"
        raise click.ClickException(f"--params: {_shortened.repr(part)} cannot be read: {reason}") from None


def _with_params(run: click.Command) -> click.Command:
    run = copy(run)
    run.params = [copy(option) for option in run.params]
    for option in run.params:
        if option.name == "params":
            option.callback = _split
    return run


cli = click.Group(commands={"run": _with_params(project.run)})
"""Where Kedro looks for commands of a project."""
