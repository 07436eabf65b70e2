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
from contextlib import suppress
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
    sys.stdout.reconfigure(line_buffering=True)  # who has started it waits for what it says
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


def serve(listening: socket.socket) -> None:
    """Returns in each fork when its command has ended, and at last in the server."""
    prepare()
    asking: dict[int, tuple[socket.socket, int]] = {}
    while sys.stdin not in (ready := select.select([listening, sys.stdin, *asking], [], [])[0]):
        for one in ready:
            if one is listening:
                who, _ = listening.accept()
                request = json.loads(who.makefile().readline())
                if not (fork := os.fork()):
                    return run(**request)
                tell(who, fork)
                asking[os.pidfd_open(fork)] = who, fork
            else:
                who, fork = asking.pop(one)
                os.close(one)
                tell(who, os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]))
                who.close()


def tell(who: socket.socket, number: int) -> None:
    with suppress(OSError):  # who has gone needs no answer
        who.sendall(f"{number:{DIGITS}}".encode())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
