"""What docs/extending.md shows is a file and a line, and works as it stands there."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from conftest import Project

ROOT = Path(__file__).parents[1]
PAGE = "docs/extending.md"
Blocks = Callable[..., list[str]]


def add(package: Path, file: str, content: str, names: str, line: str, word: str) -> None:
    """Write the file, and put the line in the place of the one of its name, to which it adds one word."""
    assert not (package / file).exists()
    (package / file).write_text(content, encoding="utf-8")
    before = (package / names).read_text(encoding="utf-8")
    name = line.partition(" = ")[0]
    (replaced,) = re.findall(rf"^{name} = .*\n", before, re.MULTILINE)
    assert line == replaced.replace("]", f', "{word}"]')
    (package / names).write_text(before.replace(replaced, line), encoding="utf-8")


def pytest_of(word: str, file: str, folder: Path) -> str:
    """What pytest says of those in a file that have the word in their names, run with the package in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", word, ROOT / file],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy, where the tests of all rules and wrappers find a further one."""
    return shutil.copytree(ROOT / "src/metagan", tmp_path / "metagan", ignore=shutil.ignore_patterns("__pycache__"))


def test_an_update_rule_with_memory(package: Path, blocks: Blocks) -> None:
    file, line = blocks(PAGE, "How to add an update rule")
    add(package, "meta/update_rules/rprop.py", file, "parameters/update_rule.py", line, "rprop")
    said = pytest_of("rprop", "tests/meta/update_rules/test_every_rule.py", package.parent)
    assert re.search(r"^5 passed", said, re.MULTILINE), said


def test_a_wrapper_of_task_streams(package: Path, blocks: Blocks) -> None:
    file, line = blocks(PAGE, "How to add a wrapper of task streams")
    add(package, "tasks/streams/mirrored.py", file, "parameters/stream.py", line, "mirrored")
    said = pytest_of("mirrored or own", "tests/tasks/test_streams.py", package.parent)
    assert re.search(r"^5 passed", said, re.MULTILINE), said


@pytest.fixture(scope="module")
def run_of_signals(copy_project: Callable[[str], Project], blocks: Blocks) -> tuple[Project, str]:
    """A project with the domain and its source, after the command of the page, and what that said."""
    project = copy_project("signals")
    domain, domain_line, source, source_line = blocks(PAGE, "How to add a domain")
    package = project.path / "src/metagan"
    add(package, "domains/signal.py", domain, "parameters/example.py", domain_line, "signal")
    add(package, "tasks/sources/waves.py", source, "parameters/tasks.py", source_line, "waves")
    (command,) = blocks(PAGE, "How to add a domain", "sh")
    done = project.run(*shlex.split(command))
    assert done.returncode == 0, done.stdout + done.stderr
    return project, " ".join((done.stdout + done.stderr).split())


def results(project: Project, name: str) -> dict:
    return json.loads((project.path / f"data/08_reporting/{name}.json").read_text(encoding="utf-8"))


def test_a_domain_goes_through_the_whole_run(run_of_signals: tuple[Project, str]) -> None:
    project, said = run_of_signals
    card, generation, robustness = (results(project, name) for name in ("data_card", "generation", "robustness"))
    assert (card["domain"], card["shape"], card["classes"]) == ("signal", [1, 1, 64], 21)
    for arm in ("adapted", "scratch", "fine_tuned"):
        for metric in ("two_sample", "use", "fjd", "recognisability", "memorisation"):
            found = generation["arms"][arm][metric]
            assert len(found) == 3 and np.isfinite(found).all()
        assert not np.any(generation["diverged"][arm])
    assert generation["arms"]["copycat"]["memorisation"] > 0.9 > generation["arms"]["real"]["memorisation"]
    for classifier in robustness["models"]:
        rows = [row for row in classifier["robust"] if (row["support"], row["norm"]) == ("clean", "linf")]
        assert [row["eps"] for row in rows] == [0.0, 0.1] * 2
        assert rows[1]["mean"] < rows[0]["mean"] == classifier["natural"]["mean"]
    for kind in ("meta-model", "classifier"):
        name, spoken = f"metagan-waves-64-{kind}", kind.replace("-", " ")
        assert f"{name}: is not registered; a served {spoken} is not of signal" in said


def test_the_report_shows_examples_as_the_domain_does(run_of_signals: tuple[Project, str]) -> None:
    """A dark pixel for each moment, as high as the signal is then."""
    project, _ = run_of_signals
    page = (project.path / "data/08_reporting/report.html").read_text(encoding="utf-8")
    sources = {unescape(words): source for source, words in re.findall(r'<img src="([^"]*)" alt="([^"]*)"', page)}
    with np.load(project.path / "data/08_reporting/pictures.npz") as pictures:
        signal = pictures["support"][1, 2, 0, 0]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(sources["class 2: support"].partition(",")[2]))))
    third = shown[:33, 2 * 64 : 3 * 64]
    assert signal.dtype == np.float32 and signal.min() < -0.4 and signal.max() > 0.4
    assert ((third < 128).sum(0) == 1).all() and np.abs(1 - third.argmin(0) / 16 - signal).max() <= 1 / 32 + 1e-6
