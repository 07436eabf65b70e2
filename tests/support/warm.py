"""Kedro's command line in processes of their own that find imported already what takes six seconds.

They are forked from a server that has imported that, but nothing of Kedro's command line and of this project.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import subprocess
import sys
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

SLOW = ["lightning.pytorch.loggers", "mlflow.pyfunc", "mlflow.store.db.utils", "mlflow.store.tracking.sqlalchemy_store"]
SLOW += ["mlflow.store.model_registry.sqlalchemy_store", "sklearn.datasets", "sklearn.neural_network", "foolbox"]


def kedro(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` would give for a command that starts with kedro."""
    with TemporaryDirectory() as said:
        files = [Path(said) / name for name in ("stdout", "stderr")]
        process = _server().Process(target=_run, args=(command, folder, environment, files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, process.exitcode, *(file.read_text("utf-8") for file in files))


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(SLOW)
    # What is read when it is imported: by OpenMP, and by MLflow, before which settings.py sets the other.
    with patch.dict(os.environ, OMP_NUM_THREADS="1", DO_NOT_TRACK="true"):
        forkserver.ensure_running()
    return context


def _run(command: tuple[str, ...], folder: Path, environment: dict[str, str], files: list[Path]) -> None:
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [shutil.which(command[0]) or "", *command[1:]]
    try:
        from kedro.framework.cli import main

        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without
