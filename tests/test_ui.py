from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from metagan import ui

if TYPE_CHECKING:
    from conftest import Project

SERVER = """
import http.server, sys, time
time.sleep(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def start(folder: Path, mlflow: str, port: str, seconds: float = ui.SECONDS) -> subprocess.Popen[str]:
    """The command with a module in the place of MLflow, which has so many seconds to answer."""
    (folder / "mlflow.py").write_text(mlflow)
    guard = "import contextlib; from metagan import ui; ui.opened = contextlib.nullcontext"  # it needs the real one
    command = [sys.executable, "-c", f"{guard}; ui.SECONDS = {seconds}; raise SystemExit(ui.main({port!r}))"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` has it ignored
    )


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_address_is_said_once_the_server_answers(
    ending: signal.Signals, tmp_path: Path, free_port: Callable[[], str]
) -> None:
    port = free_port()
    running = start(tmp_path, SERVER, port)
    try:
        assert running.stdout is not None
        assert running.stdout.readline().startswith(f"Runs and charts: http://127.0.0.1:{port}/#/experiments/1/")
        assert urlopen(f"http://127.0.0.1:{port}/", timeout=10).status == 200
        running.send_signal(ending)
        running.communicate(timeout=60)
        assert running.returncode == 0
        with pytest.raises(OSError):
            urlopen(f"http://127.0.0.1:{port}/", timeout=10)
    finally:
        running.kill()


@pytest.mark.parametrize("code", [0, 3])
def test_a_server_that_ends_is_no_success(code: int, tmp_path: Path, free_port: Callable[[], str]) -> None:
    running = start(tmp_path, f"raise SystemExit({code})", free_port())
    said, complaint = running.communicate(timeout=60)
    assert running.returncode == (code or 1)
    assert said == ""
    assert ("MLflow's server has ended" in complaint) == (code == 0)


def test_a_server_that_never_answers_is_no_success(tmp_path: Path, free_port: Callable[[], str]) -> None:
    running = start(tmp_path, "import time; time.sleep(600)", free_port(), seconds=1)
    try:
        said, complaint = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 1
    assert said == "" and complaint.startswith("MLflow's server has not answered for 1 seconds")


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert ui.main(port) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"PORT: {port} is taken on this machine; choose another, as in make ui PORT=5001\n"


@pytest.mark.parametrize("port", ["0", "70000", "five", "-1"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ui.main(port) == 1
    assert "is not a number from 1 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_database_is_looked_at_before_a_server_opens_it(
    content: bytes, tmp_path: Path, free_port: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(content * 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(ui.subprocess, "Popen", lambda _: pytest.fail("started") if content else sys.exit("started"))
        if content:
            assert ui.main(free_port()) == 1
        else:
            with pytest.raises(SystemExit, match="started"):
                ui.main(free_port())
    said = capsys.readouterr().err
    assert said.startswith(f"{database} is damaged (file is not a database): move it away") == bool(content)


@pytest.mark.slow
def test_beside_a_first_run_in_a_fresh_clone(
    copy_project: Callable[[str], Project], free_port: Callable[[], str]
) -> None:
    project = copy_project("ui")
    port = free_port()
    server = project.start(sys.executable, "-m", "metagan.ui", port)
    try:
        run = project.start("kedro", "run", "--env", "smoke", "--pipelines", "tasks")
        server.wait_for("Runs and charts: ")
        assert run.process.wait() == 0, run.said()
        assert urlopen(f"http://127.0.0.1:{port}/health", timeout=10).status == 200
        assert "Traceback" not in server.said() + run.said()
        assert [found.info.status for found in project.runs()] == ["FINISHED"]
    finally:
        server.kill()
