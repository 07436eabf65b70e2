"""Asks a `kedro_server` for what a command does; as a program, for what Kedro's does that was called in its place."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence


def ask(
    address: str,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    files: Sequence[str],
    timeout: float | None = None,
) -> int:
    """The exit status of the command, whose output and errors go into two files. Raises TimeoutError."""
    request = {"command": command, "folder": folder, "environment": dict(environment), "files": files}
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(timeout)
        server.connect(address)
        server.sendall(f"{json.dumps(request)}\n".encode())
        return int(server.makefile().readline())


if __name__ == "__main__":
    own = [f"/proc/{os.getpid()}/fd/{number}" for number in (1, 2)]
    sys.exit(ask(sys.argv[1], ["kedro", *sys.argv[2:]], os.getcwd(), os.environ, own))
