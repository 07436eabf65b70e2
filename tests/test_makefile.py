"""The Makefile in a folder of its own, with programs that only write down how they were called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NAMES = (b"it's", b"a,b c", b'say "x"', b"back\\slash", b"${HOME}", b"$(shell touch hacked)", b"2024", b"\xff", b"#a;b")


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An installed project that is in no git repository."""
    path = tmp_path / "meta gan"
    path.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, path)
    program(
        path / ".venv/bin/kedro",
        'printf %s "$*" > called; '
        'printf %s "$METAGAN_ADAPT_IMAGES$METAGAN_AUGMENT_IMAGES$METAGAN_ADAPT_AUDIO$METAGAN_ADAPT_TEXT" > images',
    )
    (path / ".venv/.installed").touch()
    return path


def make(project: Path, *arguments: str | bytes, **variables: str) -> subprocess.CompletedProcess[str]:
    own = ("METAGAN_", "MAKE", "GIT_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)} | variables
    environment["GIT_CEILING_DIRECTORIES"] = str(project.parent)
    return subprocess.run(
        ["make", *arguments], cwd=project, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("target", ["adapt", "augment"])
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_handed_on(name: bytes, target: str, project: Path) -> None:
    done = make(project, target, b"IMAGES=" + name, "ENV=smoke")
    assert done.returncode == 0, done.stderr
    assert (project / "called").read_text() == f"run --env smoke --pipelines {target}"
    assert (project / "images").read_bytes() == name
    assert not (project / "hacked").exists()


def test_recordings_have_a_pipeline_of_their_own(project: Path) -> None:
    done = make(project, "adapt", "AUDIO=my $$ words")
    assert done.returncode == 0, done.stderr
    assert (project / "called").read_text() == "run --pipelines adapt_speech"
    assert (project / "images").read_text() == "my $$ words"


@pytest.mark.parametrize("name", NAMES)
def test_lines_choose_their_environment_and_pipeline(name: bytes, project: Path) -> None:
    done = make(project, "adapt", b"TEXT=" + name)
    assert done.returncode == 0, done.stderr
    assert (project / "called").read_text() == "run --env text --pipelines adapt_text"
    assert (project / "images").read_bytes() == name
    assert not (project / "hacked").exists()


def test_adapt_leaves_a_variable_that_is_there(project: Path) -> None:
    assert make(project, "adapt", METAGAN_ADAPT_IMAGES="my sevens").returncode == 0
    assert (project / "images").read_text() == "my sevens"


def test_clean_needs_no_git_and_keeps_what_is_the_projects(project: Path) -> None:
    kept = ("data/01_raw/.gitkeep", "data/01_raw/drawings.dvc", ".venv/.installed", "data/.gitignore")
    gone = (
        "data/01_raw/omniglot/a.zip",
        "data/06_models/model.pt",
        "mlflow.db",
        "mlflow.db-wal",
        "mlruns/1/a",
        ".viz/a",
    )
    for name in (*kept, *gone):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    done = make(project, "clean")
    assert done.returncode == 0, done.stderr
    assert [name for name in (*kept, *gone) if (project / name).exists()] == list(kept)


WITHOUT_PIP = 'if [[ "$1" == -m && "$2" == pip ]]; then echo "No module named pip" >&2; exit 1; fi'
MAKES = """
if [[ "$1" == -m && "$2" == venv ]]; then
  for last; do :; done
  rm -rf "$last"; mkdir -p "$last/bin"
  printf '#!/bin/bash\\necho "$@" >> installed\\n' > "$last/bin/python"
  chmod +x "$last/bin/python"
fi
"""


@pytest.mark.parametrize("left", ["a Python without pip", "a link to nowhere", "nothing"])
def test_an_environment_that_was_interrupted_is_made_again(left: str, project: Path) -> None:
    shutil.rmtree(project / ".venv")
    if left == "a Python without pip":
        program(project / ".venv/bin/python", WITHOUT_PIP)
    elif left == "a link to nowhere":
        (project / ".venv/bin").mkdir(parents=True)
        (project / ".venv/bin/python").symlink_to(project / "nowhere")
    program(project / "python", MAKES)
    done = make(project, "install", "PYTHON=./python")
    assert done.returncode == 0, done.stderr
    assert "-r requirements.lock" in (project / "installed").read_text()
    assert (project / ".venv/.installed").exists()


def test_an_environment_that_is_whole_is_not_made_again(project: Path) -> None:
    (project / ".venv/.installed").unlink()
    program(project / ".venv/bin/python", 'echo "$@" >> installed')
    (project / ".venv/kept").touch()
    assert make(project, "install", "PYTHON=true").returncode == 0
    assert (project / ".venv/kept").exists()
    assert "-r requirements.lock" in (project / "installed").read_text()


def test_ui_takes_a_port_and_hands_on_the_code(project: Path) -> None:
    program(project / ".venv/bin/python", 'printf %s "$*" > called; exit 3')
    assert make(project, "ui", "PORT=5001").returncode != 0
    assert (project / "called").read_text() == "-m metagan.ui 5001"


@pytest.mark.parametrize(
    ("arguments", "recipe"),
    [
        ((), "prototypical"),
        (("METHOD=maml", "WAYS=20", "SHOTS=1"), "maml_20w1s"),
        (("METHOD=matching", "SHOTS=5"), "matching_5w5s"),
        (("METHOD=reptile", "WAYS=20"), "reptile_20w1s"),
    ],
)
def test_reproduce_names_a_recipe(arguments: tuple[str, ...], recipe: str, project: Path) -> None:
    done = make(project, "reproduce", *arguments)
    assert done.returncode == 0, done.stderr
    called = (project / "called").read_text()
    assert called == f"run --pipelines tasks,compare_classifiers --params recipe={recipe}"
    assert f"\n{recipe}:" in (ROOT / "conf/base/recipes.yml").read_text(encoding="utf-8")


def test_a_commit_is_checked_as_lint_does(project: Path) -> None:
    """By the same programs in the same order."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for name in ("ruff", "lint-imports", "mypy"):
        program(project / ".venv/bin" / name, f'echo .venv/bin/{name} "$@" >> called')
    assert make(project, "lint").returncode == 0
    assert (project / "called").read_text().splitlines() == [hook["entry"] for hook in hooks]
