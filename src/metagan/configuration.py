"""The parameters in `conf/`, what its files may take from the environment, and which cannot be read, and where."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from metagan.errors import UserError

SUFFIXES = (".yml", ".yaml", ".json")


def from_environment(variable: str) -> str | None:
    """The name in an environment variable as text that every file and database takes; None where there is none.

    A name that is no text, but bytes, becomes a file:// URL.
    """
    name = os.environ.get(variable)
    if not name:
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        return Path(name).absolute().as_uri()
    return name


RESOLVERS = {"oc.env": oc.env, "folder": from_environment}
"""What `${name:...}` in a file of `conf/` may call."""


def read_parameters(conf: Path, environment: str) -> dict[str, Any]:
    """What `kedro run --env` reads: the files `parameters*` of the folder `base`, and over them those of another.

    Raises UserError where there is no such folder, and for a file that cannot be read.
    """
    folders = dict.fromkeys((conf / "base", conf / environment))
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder; environments are folders in conf/ of the project")
    if found := fault(conf, [folder.name for folder in folders]):
        raise UserError(found)
    for name, resolver in RESOLVERS.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
    files = [file for folder in folders for file in sorted(folder.rglob("parameters*")) if file.suffix in SUFFIXES]
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.merge(*map(OmegaConf.load, files)), resolve=True))


def fault(conf: Path, environments: Iterable[str]) -> str | None:
    """The first file of these folders that holds no names and values, with line, column and what is wrong; or None."""
    for environment in environments:
        for file in sorted((conf / environment).rglob("*")):
            if file.suffix in SUFFIXES and (found := _fault_of(file)):
                return f"{file.relative_to(conf.parent)}, {found}"
    return None


def _fault_of(file: Path) -> str | None:
    try:
        content = file.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    try:
        values = OmegaConf.load(io.StringIO(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        return f"{_place(content, error.start)}: is no UTF-8, save it in that encoding"
    except yaml.reader.ReaderError as error:
        place = _place(content.decode("utf-8")[: error.position].encode(), None)
        return f"{place}: {error.reason}; save it as UTF-8 text"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        remedy = "; indent with spaces, not with tabs" if "'\\t'" in (error.problem or "") else ""
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}{remedy}"
    except OmegaConfBaseException as error:
        return f"{error.full_key}: {str(error).splitlines()[0]}"
    return None if isinstance(values, DictConfig) else "line 1, column 1: must hold names and values, as in seed: 1"


def _place(content: bytes, position: int | None) -> str:
    before, newline = content[:position], b"\n"
    return f"line {before.count(newline) + 1}, column {len(before) - before.rfind(newline)}"
