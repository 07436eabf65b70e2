"""Runs `kedro` and `python -c` in forks of a process that has imported what takes six seconds, and no part of metagan.

Who connects to its socket writes a request in a line of JSON, and is answered with the process id of the fork and, when
it has ended as any Python does, with its exit status. The server ends with its standard input.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import select
import shutil
import signal
import socket
import sys
from importlib import import_module

from kedro_client import DIGITS

SLOW = ("lightning.pytorch.loggers", "mlflow.pyfunc", "mlflow.store.db.utils", "mlflow.store.tracking.sqlalchemy_store")
SLOW += ("mlflow.store.model_registry.sqlalchemy_store", "sklearn.datasets", "sklearn.neural_network", "foolbox")
SLOW += ("IPython.terminal.embed", "pytorch_lightning", "matplotlib.pyplot")


def run(command: list[str], folder: str, environment: dict[str, str], files: list[str], session: bool) -> None:
    if session:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    for number, file in enumerate([os.devnull, *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [shutil.which(command[0]) or "", *command[1:]]
    if command[0] == "python":
        return exec(compile(command[2], "-c", "exec"), {"__name__": "__main__"})
    from kedro.framework.cli import main

    main()


def prepare() -> None:
    gc.disable()
    for name in SLOW:
        import_module(name)
    inspect.stack()  # Python and MLflow remember what they find out about all that is imported and installed
    import_module("mlflow.utils.requirements_utils")._init_packages_to_modules_map()
    gc.freeze()  # else each fork copies all of it, and looks for garbage in it
    gc.enable()


def attend(asking: socket.socket) -> None:
    """In a process of its own, so that others can be served meanwhile; returns in that of the command, too."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = json.loads(asking.makefile().readline())
    if not (fork := os.fork()):
        asking.close()
        return run(**request)
    asking.sendall(f"{fork:{DIGITS}}".encode())
    asking.sendall(f"{os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]):{DIGITS}}".encode())
    os._exit(0)


def serve(listening: socket.socket) -> None:
    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that attend
    while select.select([listening, sys.stdin], [], [])[0] == [listening]:
        asking, _ = listening.accept()
        if not os.fork():
            return attend(asking)
        asking.close()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
