"""Asks a `kedro_server` for what a command does; as a program, for what Kedro's does that was called in its place."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

DIGITS = 16
"""Of each number that a server answers: the process id of the command, then its exit status."""


class Asked:
    """A command that a server does for who asked, as `subprocess.Popen` has one.

    Its output and errors are appended to two files. With `session` it leads a process group, as a job of a shell.
    """

    def __init__(
        self,
        address: str,
        command: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        files: Sequence[str],
        session: bool = False,
    ) -> None:
        request = {"command": command, "folder": folder, "environment": dict(environment), "files": files}
        self.command = command
        self._server = socket.socket(socket.AF_UNIX)
        self._server.connect(address)
        self._server.sendall(f"{json.dumps(request | {'session': session})}\n".encode())
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        return int(self._server.recv(DIGITS, socket.MSG_WAITALL))

    def wait(self, timeout: float | None = None) -> int:
        """The exit status. Raises TimeoutExpired."""
        if self.returncode is None:
            self._server.settimeout(timeout)
            try:
                self.returncode = self._number()
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.command, timeout or 0) from None
            self._server.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, None while it works."""
        if self.returncode is None and select.select([self._server], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


if __name__ == "__main__":
    own = [f"/proc/{os.getpid()}/fd/{number}" for number in (1, 2)]
    sys.exit(Asked(sys.argv[1], ["kedro", *sys.argv[2:]], os.getcwd(), os.environ, own).wait())
