"""Runs `kedro` and `python -c` in forks of a process that has imported what takes six seconds, and no part of metagan.

Who connects to its socket writes a request in a line of JSON, and is answered with the exit status of the fork, which
ends as any Python does. The server ends with its standard input.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import select
import shutil
import socket
import sys
from importlib import import_module

SLOW = ("lightning.pytorch.loggers", "mlflow.pyfunc", "mlflow.store.db.utils", "mlflow.store.tracking.sqlalchemy_store")
SLOW += ("mlflow.store.model_registry.sqlalchemy_store", "sklearn.datasets", "sklearn.neural_network", "foolbox")
SLOW += ("IPython.terminal.embed", "pytorch_lightning", "matplotlib.pyplot")


def run(command: list[str], folder: str, environment: dict[str, str], files: list[str]) -> None:
    for number, file in enumerate([os.devnull, *files]):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
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
    prepare()
    while select.select([listening, sys.stdin], [], [])[0] == [listening]:
        asking, _ = listening.accept()
        with asking, asking.makefile("rw") as words:
            request = json.loads(words.readline())
            if not (fork := os.fork()):
                return run(**request)
            words.write(f"{os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])}\n")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
