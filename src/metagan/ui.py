"""`python -m metagan.ui PORT`: MLflow's pages of the runs of this folder, whose address is said once they are there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from metagan.errors import UserError
from metagan.io.database import SCHEME, opened

HOST = "127.0.0.1"
PAGE = "#/experiments/1/runs?workflowType=machine_learning"
SECONDS = 120


def main(port: str) -> int:
    """Serve until Ctrl-C; the code is not 0 when the port is taken or the server ends by itself."""
    if not (port.isdecimal() and 0 < int(port) < 2**16):
        return _refuse(f"PORT: {port} is not a number from 1 to 65535")
    if _is_taken(int(port)):
        return _refuse(f"PORT: {port} is taken on this machine; choose another, as in make ui PORT=5001")
    database = Path.cwd() / "mlflow.db"
    try:
        if not database.exists() or os.access(database, os.W_OK):  # one that can only be read needs no guard
            with opened(database):
                pass
    except UserError as error:
        return _refuse(str(error))
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", port]
    command += ["--backend-store-uri", f"{SCHEME}{database}"]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = subprocess.Popen(command)
    try:
        if not _answers(server, f"http://{HOST}:{port}") and server.poll() is None:
            return _refuse(f"MLflow's server has not answered for {SECONDS} seconds: is the machine busy? Try again")
        if server.returncode is None:
            print(f"Runs and charts: http://{HOST}:{port}/{PAGE}", flush=True)
        return server.wait() or _refuse("MLflow's server has ended")
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        server.wait()


def _is_taken(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            tried.bind((HOST, port))
        except OSError:
            return True
    return False


def _answers(server: subprocess.Popen[bytes], address: str) -> bool:
    """Wait until the server answers; False when it has ended, or takes too long."""
    ask, deadline = build_opener(ProxyHandler({})).open, time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with ask(f"{address}/health", timeout=5):
                return True
        except OSError:
            time.sleep(0.2)
    return False


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
