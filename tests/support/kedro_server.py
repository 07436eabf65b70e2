"""Runs Kedro's command line in forks of a process that has imported what takes six seconds, and no part of metagan.

Reads a request in a line of JSON, and answers with the exit status of the fork, which ends as any Python does.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
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
    from kedro.framework.cli import main

    main()


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    gc.disable()
    for name in SLOW:
        import_module(name)
    gc.freeze()  # else each fork copies all of it, and looks for garbage in it
    gc.enable()
    for line in sys.stdin:
        if not (fork := os.fork()):
            return run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]), file=answers, flush=True)


if __name__ == "__main__":
    serve()
