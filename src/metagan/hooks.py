"""What happens around a run: one at a time writes, and the MLflow run tells the truth."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow
from joblib.externals.loky.process_executor import TerminatedWorkerError
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_BRANCH, MLFLOW_GIT_COMMIT, MLFLOW_GIT_DIRTY, MLFLOW_GIT_REPO_URL
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError
from pydantic import ValidationError

from metagan import dvc_stage
from metagan.checks import InputError
from metagan.errors import UserError
from metagan.files import shown
from metagan.io.database import SCHEME, VERSION_TAG, opened, path_of
from metagan.io.mlflow_version import VERSION
from metagan.io.outbox import install, is_away
from metagan.io.tracking import log_task_bank
from metagan.lock import WRITES_ADAPTATION, WRITES_LEADERBOARD, FolderLock
from metagan.parameter_logging import BatchingMlflowHook
from metagan.parameters.messages import line
from metagan.tasks.bank import TaskBank
from metagan.training.fitting import forget_ended

FOREIGN = {MLFLOW_GIT_COMMIT, MLFLOW_GIT_BRANCH, MLFLOW_GIT_REPO_URL}
"""What MLflow itself says of any git repository around the command that runs."""
LONGEST_RUN_NAME = 250  # that every tracking database takes


class LockHook:
    """Keeps results that nobody could reproduce out of dvc.lock."""

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Refuse a stage of DVC that would run with parameters of which DVC knows nothing."""
        if dvc_stage.is_stage() and (unseen := dvc_stage.overrides(context)):
            raise InputError(
                f"DVC would record a result without knowing of {', '.join(unseen)}: write the values into conf/base,"
                " or try them with dvc exp run -S conf/base/FILE.yml:NAME=VALUE"
            )
        if folder := dvc_stage.unseen_pictures(context):
            raise InputError(
                f"DVC would not see another picture in {shown(folder)}: name the folder in dvc.yaml, as vars: pictures"
            )


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
    """What a person can mend, a file that the system refuses by name, or a process that the system has killed."""
    refused = isinstance(error, OSError) and error.filename is not None
    return isinstance(error, UserError | TerminatedWorkerError) or refused


class WriterHook:
    """Lets one run at a time write into `data/`, and one adaptation beside it into its own outputs there.

    The kernel releases the lock of a run that is killed. A helper of several processes has no such hook, and the arms
    of a comparison run in children without hooks.
    """

    def __init__(self) -> None:
        self._held: list[FolderLock] = []

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where the project is."""
        self._data = context.project_path / "data"

    @hook_impl(wrapper=True, tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> Generator[None, None, None]:
        """Take the lock before an MLflow run is opened."""
        try:
            for folder in _locked_folders(pipeline, self._data):
                lock = FolderLock(folder)
                lock.acquire()
                self._held.append(lock)
            return (yield)
        except BaseException as error:
            self._release()
            if isinstance(error, UserError | PermissionError):
                raise InputError(str(error)) from None
            raise

    @hook_impl(wrapper=True, tryfirst=True)
    def after_pipeline_run(self) -> Generator[None, None, None]:
        """Release it when all other hooks have done their work."""
        try:
            return (yield)
        finally:
            self._release()

    @hook_impl(wrapper=True, tryfirst=True)
    def on_pipeline_error(self) -> Generator[None, None, None]:
        """The same after a failure."""
        try:
            return (yield)
        finally:
            self._release()

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()


def _locked_folders(pipeline: Pipeline, data: Path) -> list[Path]:
    """Where a run of these nodes must be alone."""
    tags = [node.tags for node in pipeline.nodes]
    folders = []
    if any(not {WRITES_ADAPTATION, WRITES_LEADERBOARD} & of_node for of_node in tags):
        folders.append(data)
    if any(WRITES_ADAPTATION in of_node for of_node in tags):
        folders.append(data / "07_model_output")
    return folders


class HelperHook:
    """Keeps a process that only helps with the trainings of another from writing: the other has the same results."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Hand over in memory what nodes make."""
        for name in pipeline.all_outputs():
            catalog[name] = MemoryDataset(copy_mode="assign")


class TrainingHook:
    """Until a run has succeeded, the next one finds its ended trainings."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """The result of every training is saved by now."""
        forget_ended()


class DatabaseHook:
    """Makes the embedded tracking database, and refuses one that cannot be used, before kedro-mlflow opens it."""

    def __init__(self, opening: ExitStack) -> None:
        self._opening = opening

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Nobody else makes or opens it until `opening` ends."""
        path = path_of(os.environ.get(MLFLOW_TRACKING_URI.name) or _project_database(context))
        if path is None:
            return
        try:
            self._opening.enter_context(opened(path))
        except UserError as error:
            raise InputError(str(error)) from None


def _project_database(context: KedroContext) -> str:
    # An experiment of DVC may run in a copy of the project; DVC_ROOT is the project itself.
    return f"{SCHEME}{Path(os.environ.get('DVC_ROOT', context.project_path)) / 'mlflow.db'}"


class TrackingHook:
    """What kedro-mlflow leaves open: place, origin, data, interruption, absent servers, one run for one `dvc repro`."""

    def __init__(self) -> None:
        self.opening = ExitStack()
        """What ends when kedro-mlflow has opened the database."""

    @hook_impl(wrapper=True)
    def after_context_created(self, context: KedroContext) -> Generator[None, None, None]:
        """Before kedro-mlflow reads mlflow.yml, make its `${project_...:}` known and servers missable."""
        OmegaConf.register_new_resolver("project_database", lambda: _project_database(context), replace=True)
        # A server keeps artefacts where it was told to; a folder of this machine would mean nothing to a colleague.
        artefacts = None if os.environ.get(MLFLOW_TRACKING_URI.name, "").startswith("http") else "mlruns"
        OmegaConf.register_new_resolver("project_artefacts", lambda: artefacts, replace=True)
        self.context = context
        outbox = install(context.project_path / "mlruns" / "unsent")
        try:
            with self.opening:
                result = yield
        except InterpolationResolutionError as error:
            reason = str(error).partition("\n")[0].rpartition("interpolation: ")[2].strip('"')
            raise InputError(f"conf/{context.env}/mlflow.yml: {error.full_key}: {reason}") from None
        except ValidationError as error:
            raise InputError(f"mlflow.yml: {line(error.errors()[0], KedroMlflowConfig)}") from None
        except MlflowException as error:
            if not is_away(error):
                raise
            raise InputError(f"the MLflow server at {mlflow.get_tracking_uri()} does not answer: {error}") from None
        if outbox and mlflow.get_tracking_uri().startswith(("http", SCHEME)):
            atexit.register(outbox(mlflow.get_tracking_uri()).deliver_at_the_end)
        return result

    @hook_impl(wrapper=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> Generator[None, None, None]:
        """Name the run or join that of this `dvc repro`; after kedro-mlflow has started the run, tag it."""
        tags = _git_state(self.context.project_path) | self._overrides() | self._stage() | {VERSION_TAG: VERSION}
        self.context.mlflow.tracking.run.name = self.context.mlflow.tracking.run.name or run_name(run_params)
        if "dvc_process" in tags:
            self._join_run("dvc_process", tags["dvc_process"])
        result = yield
        if mlflow.active_run():
            mlflow.set_tags(tags)
            if MLFLOW_GIT_COMMIT not in tags:
                for tag in FOREIGN.intersection(mlflow.active_run().data.tags):
                    mlflow.delete_tag(tag)
            _end_as_killed_when_interrupted()
        return result

    @hook_impl
    def after_dataset_loaded(self, data: object) -> None:
        """Show the task bank as the data of the run."""
        if isinstance(data, TaskBank) and mlflow.active_run():
            log_task_bank(data)

    def _overrides(self) -> dict[str, str]:
        found = dvc_stage.overrides(self.context)
        return {"overrides": ", ".join(found)} if found else {}

    def _stage(self) -> dict[str, str]:
        if not dvc_stage.is_stage():
            return {}
        tags = {
            "dvc_process": dvc_stage.reproduction(),
            "dvc_experiment": dvc_stage.experiment(),
            "dvc_task_bank": dvc_stage.task_bank_hash(self.context.project_path),
        }
        return {name: value for name, value in tags.items() if value}

    def _join_run(self, tag: str, value: str) -> None:
        settings = self.context.mlflow
        runs = settings.server._mlflow_client.search_runs(
            [settings.tracking.experiment._experiment.experiment_id], f"tags.{tag} = '{value}'", max_results=1
        )
        settings.tracking.run.name = dvc_stage.experiment() or "dvc repro"
        settings.tracking.run.id = runs[0].info.run_id if runs else None


def hooks_of(helper: bool) -> tuple[object, ...]:
    """Those of a process that only helps with the trainings of another, or of one that does a run.

    Of those that ask to be first, the last one is the first.
    """
    if helper:
        return HelperHook(), ErrorHook()
    tracking = TrackingHook()
    return (
        BatchingMlflowHook(),
        DatabaseHook(tracking.opening),
        LockHook(),
        tracking,
        TrainingHook(),
        WriterHook(),
        ErrorHook(),
    )


def run_name(run_params: dict[str, Any]) -> str:
    """What tells a run from others: environment, pipelines and parameters as they were typed; `default` for none."""
    # Kedro hands several pipelines over in any order.
    pipelines, parameters = sorted(run_params["pipeline_names"] or ()), run_params["runtime_params"] or {}
    typed = filter(None, (run_params["env"], *pipelines, *_assignments(parameters)))
    return " ".join(typed)[:LONGEST_RUN_NAME] or "default"


def _assignments(parameters: dict[str, Any]) -> list[str]:
    """`name=value` of every leaf, by the last part of its name."""
    return [
        assignment
        for name, value in parameters.items()
        for assignment in (_assignments(value) if isinstance(value, dict) else [f"{name}={value}"])
    ]


def _git_state(project_path: Path) -> dict[str, str]:
    """MLflow's tags of the commit and of uncommitted changes; none where no git repository has the project's files."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=project_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "pyproject.toml")
        return {
            MLFLOW_GIT_COMMIT: git("rev-parse", "HEAD"),
            MLFLOW_GIT_DIRTY: str(bool(git("status", "--porcelain"))).lower(),
        }
    except (OSError, subprocess.CalledProcessError):
        return {}


def _end_as_killed_when_interrupted() -> None:
    """MLflow ends a run that is still active at exit as FINISHED; Ctrl-C and SIGTERM must not look like success."""

    def end_as_killed() -> None:
        while mlflow.active_run():
            mlflow.end_run("KILLED")

    atexit.register(end_as_killed)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
