"""`kedro` and `python -c`, without the seconds in which they import: see `kedro_server`."""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from kedro_client import Asked


def run(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` would give for `kedro` with its arguments, or `python -c` and a script."""
    server = _server()
    with TemporaryDirectory() as said:
        files = [f"{said}/stdout", f"{said}/stderr"]
        try:
            status = Asked(server.address, command, str(folder), environment, files).wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            _server.cache_clear()
            raise
        return subprocess.CompletedProcess(command, status, *(Path(file).read_text("utf-8") for file in files))


def python(code: str, folder: Path, timeout: float = 300) -> str:
    """What a script prints that finds the modules which are found here. Raises CalledProcessError."""
    code = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    done = run(("python", "-c", code), folder, dict(os.environ), timeout)
    done.check_returncode()
    return done.stdout


def start(command: tuple[str, ...], folder: Path, environment: dict[str, str], log: Path) -> Asked:
    """What `subprocess.Popen` would give for the same, in a session of its own; all that it says goes into one file."""
    log.touch()
    return Asked(_server().address, command, str(folder), environment, [str(log)] * 2, session=True)


def commands() -> Path:
    """A folder for PATH, in which `kedro` is the one without the seconds; its parent process is not who calls it."""
    return _server().commands


@dataclass(frozen=True)
class _Server:
    process: subprocess.Popen[str]
    folder: TemporaryDirectory[str]

    @property
    def address(self) -> str:
        return f"{self.folder.name}/socket"

    @property
    def commands(self) -> Path:
        return Path(self.folder.name) / "bin"


@cache
def _server() -> _Server:
    # What is read when it is imported: by OpenMP, and by MLflow, before which settings.py sets the other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "true"}
    here, folder = Path(__file__).parent, TemporaryDirectory()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder.name}/socket")
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, here / "kedro_server.py", str(listening.fileno())],
            env={name: value for name, value in environment.items() if name != "PYTHONPATH"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            text=True,
            start_new_session=True,
        )
    atexit.register(process.communicate)  # ends its input, and so the server
    server = _Server(process, folder)
    client = shlex.join([sys.executable, "-IS", str(here / "kedro_client.py"), server.address])
    server.commands.mkdir()
    kedro = server.commands / "kedro"
    kedro.write_text(f'#!/bin/sh\nexec {client} "$@"\n', encoding="utf-8")
    kedro.chmod(0o755)
    return server
