"""The file of the embedded tracking database, in every state that it can be found in."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest
from mlflow import MlflowClient

from metagan.errors import UserError
from metagan.io import database, mlflow_inside, mlflow_version
from metagan.io.database import fault_of, opened

OLDER = "451aebb31d03"  # the first of MLflow's revisions
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
print("locked", flush=True)
input()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "mlflow.db"
    with opened(path):
        pass
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SECONDS_AT_START", 0.1)


@contextmanager
def locked(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another program holds a lock of the database."""
    command = [sys.executable, "-c", LOCK, str(path), how]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    try:
        yield other
    finally:
        other.communicate("\n")


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as refused, opened(path):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def set_schema(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])


def test_a_whole_one_is_opened(path: Path) -> None:
    before = path.read_bytes()
    with opened(path):
        pass
    assert path.read_bytes() == before
    assert MlflowClient(f"sqlite:///{path}").search_experiments()[0].name == "Default"


def test_an_empty_file_is_left_to_mlflow(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").touch()
    with opened(tmp_path / "mlflow.db"):
        pass


def test_two_first_runs_make_it_once_and_one_after_the_other(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, making, calls, inside = tmp_path / "mlflow.db", Event(), [], []

    def make(uri: str) -> None:
        calls.append(uri)
        making.set()
        assert not path.exists(), "half-made"
        shutil.copy(made, uri.removeprefix("sqlite:///"))

    def first_run() -> None:
        with opened(path):
            inside.append(path)
            assert len(inside) == 1, "both at once"
            inside.clear()

    monkeypatch.setattr(mlflow_inside, "make_database", make)
    with ThreadPoolExecutor(2) as runs:
        for run in [runs.submit(first_run), runs.submit(first_run)]:
            run.result()
    assert making.is_set()
    assert len(calls) == 1
    assert {file.name for file in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


def test_one_whose_making_was_broken_off_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(uri: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_inside, "make_database", broken)
    with pytest.raises(KeyboardInterrupt), opened(tmp_path / "mlflow.db"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db.lock"]


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_locked_one_is_refused_by_who_locks_it(how: str, path: Path) -> None:
    with locked(path, how) as other:
        said = refusal(path)
        name = psutil.Process(other.pid).name()
    assert said == f"{path} is locked by process {other.pid} ({name}): close it, or let it commit; nothing was run"
    assert fault_of(path, 0) is None


def test_a_read_only_one_is_refused(path: Path) -> None:
    with open(path, "r+b") as file:  # as SQLite's format has it: a version of writing from the future
        file.seek(18)
        file.write(b"\3")
    assert refusal(path).startswith(f"{path} is read-only: let this user write it")


@pytest.mark.parametrize("size", [4000, -4096, 0])
def test_a_damaged_one_is_refused(size: int, path: Path) -> None:
    path.write_bytes(path.read_bytes()[:size] or b"not a database" * 99)
    said = refusal(path)
    assert said.startswith(f"{path} is damaged (")
    assert f"move it away (mv '{path}' '{path}.damaged'), and a new one is made" in said


def test_one_of_an_older_mlflow_is_refused_with_the_command_that_upgrades_it(path: Path) -> None:
    newest = mlflow_inside.schemas()[1]
    set_schema(path, OLDER)
    assert refusal(path) == (
        f"{path} was made by an older MLflow (its schema is {OLDER}, not {newest}): back it up (cp '{path}'"
        f" '{path}.backup'), then upgrade it: mlflow db upgrade 'sqlite:///{path}'; nothing was run"
    )
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (OLDER,)


def test_one_of_a_newer_mlflow_is_refused_with_its_version(path: Path) -> None:
    client = MlflowClient(f"sqlite:///{path}")
    run = client.create_run("0", tags={database.VERSION_TAG: "9.1.0"}).info.run_id
    set_schema(path, "ffffffffffff")
    assert refusal(path).startswith(
        f"{path} was made by a newer MLflow, 9.1.0 (its schema ffffffffffff is unknown to {mlflow_version.VERSION})"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM tags WHERE run_uuid = ?", [run])
    assert "a newer MLflow (its schema" in refusal(path)


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    assert refusal(path).startswith(f"{path} is no database of MLflow: move it away")


def test_with_an_mlflow_that_is_not_known_only_the_file_is_looked_at(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_version, "VERSION", "4.0.0")
    set_schema(path, "ffffffffffff")
    with opened(path), opened(tmp_path / "new" / "mlflow.db"):
        pass
    path.write_bytes(path.read_bytes()[:4000])
    assert "is damaged" in refusal(path)
