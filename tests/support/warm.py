"""Kedro's command line, without the seconds in which it imports: see `kedro_server`."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def kedro(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` would give for a command that starts with kedro."""
    server = _server()
    assert server.stdin and server.stdout
    with TemporaryDirectory() as said:
        files = [f"{said}/stdout", f"{said}/stderr"]
        request = {"command": command, "folder": str(folder), "environment": environment, "files": files}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], timeout)[0]:
            os.killpg(server.pid, signal.SIGKILL)
            _server.cache_clear()
            raise subprocess.TimeoutExpired(command, timeout)
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(command, status, *(Path(file).read_text("utf-8") for file in files))


@cache
def _server() -> subprocess.Popen[str]:
    # What is read when it is imported: by OpenMP, and by MLflow, before which settings.py sets the other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "true"}
    program = Path(__file__).with_name("kedro_server.py")
    server = subprocess.Popen(
        [sys.executable, program],
        env={name: value for name, value in environment.items() if name != "PYTHONPATH"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    atexit.register(server.communicate)  # ends its input, and so the server
    return server
