"""What is refused before any work, and before anything is imported that takes seconds."""

from __future__ import annotations

import glob
from pathlib import Path

import click
from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from omegaconf.errors import OmegaConfBaseException

from metagan.configuration import fault
from metagan.errors import UserError
from metagan.parameters import RunSettings, validate
from metagan.places import check_inputs, check_writable

PARTS_OF_PIPELINES = (
    "tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs", "namespaces", "only_missing_outputs",
)  # fmt: skip
"""Options of `kedro run` that leave nodes out."""


class InputError(click.ClickException, ValueError):
    """What the command line shows as its message alone, without a traceback."""


def check(context: KedroContext) -> RunSettings:
    """The parameters of conf/ and `--params`. Raises InputError unless they, the files and the folders are right."""
    loader = context.config_loader
    conf = Path(loader.conf_source)
    environments = dict.fromkeys((loader.base_env, loader.env or loader.default_run_env))
    if found := fault(conf, environments):
        raise InputError(found)
    try:
        parameters, _ = validate(loader["parameters"]), loader["catalog"]
        check_inputs(parameters, _pipelines())
        check_writable(context.project_path / "data")
    except MissingConfigException as error:
        raise InputError(_what_is_missing(conf, [*environments][-1], error)) from None
    except UserError as error:
        raise InputError(str(error)) from None
    except (ValueError, OmegaConfBaseException) as error:
        raise InputError(" ".join(str(error).split())) from None
    return parameters


def _what_is_missing(conf: Path, environment: str, error: Exception) -> str:
    known = sorted(path.name for path in conf.iterdir() if path.is_dir())
    if environment not in known:
        return f"--env: {environment!r} is not one of {', '.join(known)}"
    if glob.escape(str(conf)) != str(conf):
        return f"{conf}: Kedro finds nothing below a name with brackets: rename the folder, or move the project"
    return " ".join(str(error).split())


def _pipelines() -> set[str]:
    """The pipelines that `kedro run` was asked for in full; none where it is not this command that calls Kedro."""
    command = click.get_current_context(silent=True)
    options = command.params if command else {}
    if "pipelines" not in options or any(options.get(name) for name in PARTS_OF_PIPELINES):
        return set()
    return {*options["pipelines"], options["pipeline"] or ""} - {""} or {"__default__"}
