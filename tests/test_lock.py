"""A lock between processes: here each holder is a Python of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kedro.pipeline import Pipeline, node

from metagan import hooks
from metagan.errors import UserError
from metagan.lock import FolderLock

if TYPE_CHECKING:
    from conftest import Project

HOLD = r"""
import os, sys
from pathlib import Path
from metagan.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
child = os.fork() if "fork" in sys.argv else 1
os.write(1, b"held\n" if child else b"forked\n")
input()
"""


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METAGAN_WAIT", raising=False)


@pytest.fixture
def hold() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process that holds the lock of a folder until a line is written to it, or it is killed."""
    holders: list[subprocess.Popen[str]] = []

    def start(folder: Path, *options: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
        command = [sys.executable, "-c", HOLD, str(folder), *options]
        holder = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        for _ in range(1 + len(options)):
            assert holder.stdout.readline().strip() in ("held", "forked")
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as refused:
        FolderLock(folder).acquire()
    return str(refused.value)


def test_a_second_process_is_told_who_writes(tmp_path: Path, hold: Callable[..., subprocess.Popen[str]]) -> None:
    holder = hold(tmp_path)
    message = refusal(tmp_path)
    since = json.loads((tmp_path / ".lock.json").read_text())["since"]
    assert message == (
        f"process {holder.pid} on {socket.gethostname()} writes into {tmp_path} since {since} (-c {tmp_path}): nothing"
        " was run; wait for its end, or let the command wait by METAGAN_WAIT=SECONDS"
    )


@pytest.mark.parametrize("options", [(), ("fork",)])
def test_the_lock_of_a_killed_process_is_free(
    options: tuple[str, ...], tmp_path: Path, hold: Callable[..., subprocess.Popen[str]]
) -> None:
    holder = hold(tmp_path, *options)
    assert f"process {holder.pid} " in refusal(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert f"process {os.getpid()} " in refusal(tmp_path)
    lock.release()
    assert list(tmp_path.iterdir()) == [tmp_path / ".lock"]


def test_who_waits_goes_on_when_the_other_ends(
    tmp_path: Path,
    hold: Callable[..., subprocess.Popen[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    holder = hold(tmp_path)
    monkeypatch.setenv("METAGAN_WAIT", "0.2")
    assert "nothing was run" in refusal(tmp_path)
    monkeypatch.setenv("METAGAN_WAIT", "120")
    monkeypatch.setattr(FolderLock, "_who", lambda _: holder.communicate("\n") and "the other writes")  # and ends
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()
    assert "the other writes; waiting for its end, for up to 120 s (METAGAN_WAIT)" in caplog.text


@pytest.mark.parametrize("text", ["", "soon", "-1", "inf", "nan"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAGAN_WAIT", text)
    assert refusal(tmp_path) == f"METAGAN_WAIT: {text!r} is not a number of seconds"


def test_a_holder_that_has_not_said_who_it_is(tmp_path: Path, hold: Callable[..., subprocess.Popen[str]]) -> None:
    hold(tmp_path)
    (tmp_path / ".lock.json").unlink()
    assert refusal(tmp_path).startswith(f"another process writes into {tmp_path}: nothing was run")


def test_what_each_pipeline_locks(tmp_path: Path) -> None:
    from metagan.pipeline_registry import register_pipelines

    outputs = tmp_path / "07_model_output"
    for name, pipeline in register_pipelines().items():
        adapts = name == "augment" or name.startswith("adapt")
        expected = [outputs] if adapts else [] if name == "leaderboard" else [tmp_path]
        assert hooks._locked_folders(pipeline, tmp_path) == expected, name
    other = Pipeline([node(len, "a", "b")])
    assert hooks._locked_folders(register_pipelines()["adapt"] + other, tmp_path) == [tmp_path, outputs]


@pytest.mark.slow
def test_the_second_of_two_runs_is_refused_and_the_first_undisturbed(copy_project: Callable[[str], Project]) -> None:
    project = copy_project("two runs")
    run = ("kedro", "run", "--env", "smoke", "--pipelines", "tasks,classifier", "--params")
    first = project.start(*run, "seed=2")
    first.wait_for("Running node")
    first.stop_between_two_accesses(project.path / "mlflow.db")  # so that it does not end before the second asks
    second = project.run(*run, "seed=3")
    assert second.returncode != 0
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait() == 0, first.said()
    last = second.stderr.strip().splitlines()[-1]
    assert last.startswith(f"Error: process {first.process.pid} on {socket.gethostname()} writes into ")
    assert "kedro run --env smoke --pipelines tasks,classifier --params seed=2" in last
    assert [(run.info.status, run.data.params["seed"]) for run in project.runs()] == [("FINISHED", "2")]
    assert project.git("status", "--porcelain") == ""
