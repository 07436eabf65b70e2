"""What several tests share: where real Omniglot lies, and a copy of the project to run in, with its MLflow runs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from compileall import compile_dir
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy and torch are imported

import psutil
import pytest
import torch
import warm
from hypothesis import settings
from kedro_client import Asked

from metagan.importing import kept

if TYPE_CHECKING:  # who runs one file of tests need not wait for it
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.pyfunc import PyFuncModel

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

ROOT = Path(__file__).parents[1]
SECONDS = 900
"""After which a command has failed."""
PARENT_RUN = "mlflow.parentRunId"
"""MLflow's tag of a run inside another."""
PROJECT_FILES = ("conf", "notebooks", "src", "pyproject.toml", "requirements.lock", "dvc.yaml")
PROJECT_FILES += (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", ".telemetry")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What the tests import is not searched for garbage while they run."""
    with kept():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, those with most of them at the very start, so that none is begun at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Small networks gain nothing from more, and the numbers stay the same on any machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_omniglot() -> Path:
    """The folder of the two Omniglot zips."""
    mirror = os.environ.get("METAGAN_OMNIGLOT_MIRROR")
    if not mirror or not Path(mirror).is_dir():
        pytest.skip("METAGAN_OMNIGLOT_MIRROR names no folder with the Omniglot zips")
    return Path(mirror)


@pytest.fixture(scope="session")
def shared_fsdd() -> Path:
    """The folder of the Free Spoken Digit Dataset's zip."""
    mirror = os.environ.get("METAGAN_FSDD_MIRROR")
    if not mirror or not Path(mirror).is_dir():
        pytest.skip("METAGAN_FSDD_MIRROR names no folder with the recordings of the Free Spoken Digit Dataset")
    return Path(mirror)


@pytest.fixture(scope="session")
def blocks() -> Callable[..., list[str]]:
    """The code of a page, or of what stands under one of its titles, block by block."""

    def find(page: str, title: str = "", language: str = "python") -> list[str]:
        text = (ROOT / page).read_text(encoding="utf-8")
        if title:
            text = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
        return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    return find


@pytest.fixture(scope="session")
def load_parameters() -> Callable[..., dict[str, Any]]:
    """The parameters as `kedro run --env <environment> --params ...` sees them."""
    from metagan.settings import (  # changes MLflow's environment: only for tests that ask
        CONFIG_LOADER_ARGS,
        CONFIG_LOADER_CLASS,
    )

    def load(environment: str, **runtime: Any) -> dict[str, Any]:
        loader = CONFIG_LOADER_CLASS(str(ROOT / "conf"), env=environment, runtime_params=runtime, **CONFIG_LOADER_ARGS)
        return loader["parameters"]

    return load


@pytest.fixture(scope="session")
def ready_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of MLflow, to be copied: to make one takes seconds."""
    from metagan.io.mlflow_inside import make_database

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    make_database(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory, ready_database: Path) -> Iterator[str]:
    """An experiment in an MLflow database of its own, which is the current one meanwhile."""
    import mlflow

    folder, before = tmp_path_factory.mktemp("tracking"), mlflow.get_tracking_uri()
    shutil.copy(ready_database, folder / "mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    yield mlflow.create_experiment("test", artifact_location=(folder / "artefacts").as_uri())
    mlflow.set_tracking_uri(before)


@dataclass(frozen=True)
class Running:
    """A command that has been started, and the file of what it says."""

    process: subprocess.Popen[bytes] | Asked
    log: Path

    def stop_between_two_accesses(self, database: Path) -> None:
        """Stop it, so that it does not end meanwhile, at a moment when it holds no lock of the database."""
        while True:
            self.process.send_signal(signal.SIGSTOP)
            while psutil.pid_exists(self.process.pid) and psutil.Process(self.process.pid).status() != "stopped":
                time.sleep(0.01)
            with closing(sqlite3.connect(database, timeout=0)) as other:
                try:
                    other.execute("BEGIN EXCLUSIVE")
                    return
                except sqlite3.OperationalError:
                    self.process.send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Return as soon as it has said this; fail when it ends without."""
        while text not in self.said():
            assert self.process.poll() is None, self.said()
            time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        """SIGINT for it and its children, as from a terminal."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL it and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Project:
    """A copy of this project in a git repository of its own."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a person's terminal, nothing of these tests."""
        own = ("METAGAN_", "MLFLOW_", "KEDRO_", "DVC_", "GIT_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "DO_NOT_TRACK")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return environment | {"PATH": f"{Path(sys.executable).parent}:{environment['PATH']}", "OMP_NUM_THREADS": "1"}

    def run(
        self, *command: str, folder: str = ".", cold: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the copy, with further environment variables, as a person would from a
        terminal; but Kedro, scripts and DVC's stages find imported what takes seconds, unless it is `cold`."""
        environment = {**self.environment, **variables}
        if command[0] in ("kedro", "python") and not cold:
            return warm.run(command, self.path / folder, environment, SECONDS)
        if command[0] == "dvc" and not cold:
            environment["PATH"] = f"{warm.commands()}:{environment['PATH']}"
        return subprocess.run(
            command, cwd=self.path / folder, env=environment, capture_output=True, text=True, timeout=SECONDS
        )

    def start(self, *command: str, **variables: str) -> Running:
        """Start a command in the copy, with further environment variables, as `run` does."""
        log = self.path.parent / f"{time.monotonic()}.log"
        environment = {**self.environment, "COLUMNS": "1000", "PYTHONUNBUFFERED": "1", **variables}
        if command[0] == "kedro":
            return Running(warm.start(command, self.path, environment, log), log)
        with open(log, "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                command,
                cwd=self.path,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` has it ignored
            )
        return Running(process, log)

    def git(self, *arguments: str) -> str:
        """What git says, without the white space around it."""
        author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        done = subprocess.run(["git", *author, *arguments], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    @property
    def client(self) -> MlflowClient:
        """Of its database."""
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.path / 'mlflow.db'}")

    def champion(self, name: str) -> PyFuncModel:
        """As MLflow serves it."""
        import mlflow

        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{self.path / 'mlflow.db'}")
        try:
            return mlflow.pyfunc.load_model(f"models:/{name}@champion")
        finally:
            mlflow.set_tracking_uri(before)

    def runs(self) -> list[Run]:
        """All its runs, the latest first."""
        experiment = self.client.get_experiment_by_name("metagan")
        return list(self.client.search_runs([experiment.experiment_id]))

    def latest_command(self) -> Run:
        """The latest run that is not nested in another."""
        return next(run for run in self.runs() if PARENT_RUN not in run.data.tags)

    def nested_in(self, parent: Run) -> dict[str, Run]:
        """The runs inside a run, by their names."""
        nested = [run for run in self.runs() if run.data.tags.get(PARENT_RUN) == parent.info.run_id]
        return {run.info.run_name: run for run in nested}

    def artefacts(self, run: Run, folder: str = "") -> set[str]:
        """Paths of all files of a run, or of those in a folder of it."""
        found: set[str] = set()
        for file in self.client.list_artifacts(run.info.run_id, folder or None):
            found |= self.artefacts(run, file.path) if file.is_dir else {file.path}
        return found


@pytest.fixture(scope="session")
def project_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a copy of the project is made of; its modules are compiled once, not by every process of every copy."""
    path = tmp_path_factory.mktemp("project")
    for file in PROJECT_FILES:
        source, target = ROOT / file, path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, target)
    for keep in (ROOT / "data").glob("*/.gitkeep"):
        (path / "data" / keep.parent.name).mkdir(parents=True)
        (path / "data" / keep.parent.name / ".gitkeep").touch()
    compile_dir(path / "src", quiet=1)
    return path


@pytest.fixture(scope="session")
def copy_project(tmp_path_factory: pytest.TempPathFactory, project_files: Path) -> Callable[[str], Project]:
    """Make a copy of the project, committed, in a folder whose name has a space."""

    def copy(name: str) -> Project:
        path = tmp_path_factory.mktemp(name) / "meta gan"
        shutil.copytree(project_files, path)
        project = Project(path)
        project.git("init", "--quiet")
        project.git("add", "--all")
        project.git("commit", "--quiet", "--message", "copy")
        return project

    return copy


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], str]:
    """Find a port of loopback that nobody listens on."""
    return _free_port


class Server:
    """`mlflow server` where it listens by default, which can be killed and started again."""

    def __init__(self, project: Project, backend: str, artefacts: str, **variables: str) -> None:
        self.port = _free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._project, self._variables = project, variables
        self._stores = ("--backend-store-uri", backend, "--artifacts-destination", artefacts)
        self.start()

    def start(self) -> None:
        command = ("mlflow", "server", "--port", self.port, "--workers", "1", *self._stores)
        variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **self._variables}
        self.running = self._project.start(*command, **variables)
        while not self.is_up():
            assert self.running.process.poll() is None, self.running.said()
            time.sleep(0.2)

    def is_up(self) -> bool:
        try:
            return urlopen(f"{self.uri}/health", timeout=5).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        self.running.kill()


@pytest.fixture(scope="session")
def start_server() -> Iterator[Callable[..., Server]]:
    """Start an MLflow server as `Server` says; it ends with the tests."""
    servers: list[Server] = []

    def start(*arguments: Any, **variables: str) -> Server:
        servers.append(Server(*arguments, **variables))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server on loopback; it takes any credentials."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()
