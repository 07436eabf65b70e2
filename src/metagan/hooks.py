"""What happens around a run: parameters are checked first, and the MLflow run tells the truth."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
import traceback
from collections.abc import Generator
from pathlib import Path

import click
import joblib
import mlflow
import psutil
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_GIT_DIRTY
from omegaconf import OmegaConf

import metagan
from metagan.io.outbox import install, is_away
from metagan.parameters import validate
from metagan.training.fitting import forget_ended


class InputError(click.ClickException, ValueError):
    """A ValueError that the command line shows as its message alone, without a traceback."""


class ParameterHook:
    """Refuses bad parameters before any work starts, even before the tracking database is made."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Check conf/<environment>/parameters*.yml and `--params`."""
        try:
            validate(context.config_loader["parameters"])
        except ValueError as error:
            raise InputError(str(error)) from None


class ErrorHook:
    """Says what is wrong with the input of a node in one line; a defect keeps its traceback."""

    @hook_impl(trylast=True)  # kedro-mlflow has marked its run as FAILED
    def on_pipeline_error(self, error: Exception) -> None:
        """Look for an expected error among the causes: Kedro and joblib pass on what they caught in their own words."""
        cause: BaseException | None = error
        while cause:
            if _is_expected(cause):
                raise InputError(" ".join(str(cause).splitlines())) from error
            cause = cause.__cause__


def _is_expected(error: BaseException) -> bool:
    """A file that the system refuses by name, or what a `raise` of metagan says, here or in a process of joblib."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    raised = (place.line or "").startswith("raise ")
    ours = any(Path(place.filename).is_relative_to(Path(package.__file__).parent) for package in (metagan, joblib))
    return (raised and ours) or (isinstance(error, OSError) and error.filename is not None)


class TrainingHook:
    """Until a run has succeeded, the next one finds its ended trainings."""

    @hook_impl
    def after_pipeline_run(self) -> None:
        """The result of every training is saved by now."""
        forget_ended()


class TrackingHook:
    """What kedro-mlflow leaves open: place, commit, interruption, an absent server, one run for one `dvc repro`."""

    @hook_impl(wrapper=True)
    def after_context_created(self, context: KedroContext) -> Generator[None, None, None]:
        """Before kedro-mlflow reads conf/base/mlflow.yml, make `${project_database:}` known and servers missable."""
        database = f"sqlite:///{context.project_path / 'mlflow.db'}"
        OmegaConf.register_new_resolver("project_database", lambda: database, replace=True)
        self.context = context
        outbox = install(context.project_path / "mlruns" / "unsent")
        try:
            result = yield
        except MlflowException as error:
            if not is_away(error):
                raise
            raise InputError(f"the MLflow server at {mlflow.get_tracking_uri()} does not answer: {error}") from None
        if mlflow.get_tracking_uri().startswith("http"):
            atexit.register(outbox(mlflow.get_tracking_uri()).deliver_at_the_end)
        return result

    @hook_impl(wrapper=True)
    def before_pipeline_run(self) -> Generator[None, None, None]:
        """Join the run of this `dvc repro`, if there is one; after kedro-mlflow has started the run, tag it."""
        tags = _git_state(self.context.project_path)
        if "DVC_STAGE" in os.environ:
            tags["dvc_process"] = _parent_process()
            self._join_run("dvc_process", tags["dvc_process"])
        result = yield
        mlflow.set_tags(tags)
        _end_as_killed_when_interrupted()
        return result

    def _join_run(self, tag: str, value: str) -> None:
        settings = self.context.mlflow
        runs = settings.server._mlflow_client.search_runs(
            [settings.tracking.experiment._experiment.experiment_id], f"tags.{tag} = '{value}'", max_results=1
        )
        settings.tracking.run.name = "dvc repro"
        settings.tracking.run.id = runs[0].info.run_id if runs else None


def _git_state(project_path: Path) -> dict[str, str]:
    """MLflow's tags of the commit and of uncommitted changes; none outside a git repository."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=project_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        return {
            MLFLOW_GIT_COMMIT: git("rev-parse", "HEAD"),
            MLFLOW_GIT_DIRTY: str(bool(git("status", "--porcelain"))).lower(),
        }
    except (OSError, subprocess.CalledProcessError):
        return {}


def _parent_process() -> str:
    """The DVC process that started this stage; dvc.yaml says `exec` so that no shell stands between."""
    parent = psutil.Process(os.getppid())
    return f"{parent.pid} {parent.create_time():.0f}"


def _end_as_killed_when_interrupted() -> None:
    """MLflow ends a run that is still active at exit as FINISHED; Ctrl-C and SIGTERM must not look like success."""

    def end_as_killed() -> None:
        while mlflow.active_run():
            mlflow.end_run("KILLED")

    atexit.register(end_as_killed)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
