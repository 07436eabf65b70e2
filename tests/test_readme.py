"""Every command and path that the pages for users name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.cli import parse_args

from metagan.cli import cli
from metagan.parameters import validate
from metagan.pipeline_registry import register_pipelines

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "deploy/README.md",
    *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")),
)
CODE = re.compile(r"`([^`]+)`|^    (\S.*)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ |srun |torchrun .* -m )*((?:make|kedro|dvc) .+)$")
OWN = re.compile(r"^(?:conf/(?!local)|deploy/|docs/|notebooks/|src/|tests/)[\w./-]*(?!\*)\b")
LINK = re.compile(r"\]\((?!http|#)([^)]+)\)")


def code(page: str) -> list[str]:
    """What stands between backticks or is indented, a line each, without remarks."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", "")
    found = ("".join(groups) for groups in CODE.findall(text))
    return [" ".join(text.split()).partition(" #")[0].strip() for text in found]


def commands(program: str) -> list[str]:
    found = (match[1] for page in PAGES for text in code(page) if (match := COMMAND.match(text)))
    return sorted({command for command in found if command.split()[0] == program and "..." not in command})


@pytest.fixture(scope="module")
def check_kedro(load_parameters: Callable[..., dict[str, Any]]) -> Callable[[str], None]:
    """The pipelines and the environment of a command are there, and its parameters are valid."""
    known = register_pipelines().keys()

    def check(command: str) -> None:
        program, subcommand, *arguments = shlex.split(command)
        assert program.endswith("kedro")
        if subcommand != "run":
            return
        typed = cli.commands["run"].make_context("run", arguments).params
        environment = typed["env"] or "local"
        assert (ROOT / "conf" / environment).is_dir()
        assert not typed["pipeline"]  # deprecated
        assert set(typed["pipelines"]) <= known
        validate(load_parameters(environment, **typed["params"]))

    return check


@pytest.mark.parametrize("folder", ["conf", "notebooks", "src"])
def test_no_deprecated_option_is_named(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.*"):
        assert not re.search(rb"--pipeline\b", file.read_bytes() if file.is_file() else b""), file


def test_commands_are_found() -> None:
    assert {"kedro run --pipelines evaluate"} <= set(commands("kedro"))
    assert "make adapt IMAGES=DIR" in commands("make")
    assert "dvc push" in commands("dvc")
    assert sum("trainer.num_nodes=2" in command for command in commands("kedro")) == 1


@pytest.mark.parametrize("command", commands("kedro"))
def test_kedro_runs_it(command: str, check_kedro: Callable[[str], None]) -> None:
    check_kedro(command)


@pytest.mark.parametrize("command", commands("make"))
def test_make_makes_it(command: str, check_kedro: Callable[[str], None]) -> None:
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        if "kedro run" in line:
            check_kedro(line.strip())


@pytest.mark.parametrize("command", commands("dvc"))
def test_dvc_knows_it(command: str) -> None:
    arguments = shlex.split(command)[1:]
    parse_args(arguments)
    for changed in re.findall(r"-S ([\w/.]+\.yml):", command):
        assert (ROOT / changed).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_paths_are_there(page: str) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    folders = {str(parent) for path in tracked for parent in Path(path).parents}
    named = {match[0].rstrip("/") for text in code(page) if (match := OWN.match(text))}
    text = (ROOT / page).read_text(encoding="utf-8")
    links = (link.partition("#")[0] for link in LINK.findall(text))
    named |= {os.path.relpath(ROOT / Path(page).parent / link, ROOT) for link in links}
    assert named or page == "docs/continual.md"
    assert named <= folders | set(tracked)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/results.md"])
def test_a_person_can_read_a_difference(page: str) -> None:
    """Prose of at most 130 characters a line; tables, pictures and commands may be longer."""
    prose = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith(("|", "    ", "!"))]
    assert not [line for line in lines if len(line) > 130 and max(map(len, line.split())) < 100]
