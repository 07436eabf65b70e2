"""What a training says to the MLflow run of its `kedro run`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TypeAlias

import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from torch import Tensor

from metagan.io import mlflow_version, outbox
from metagan.parameters import StoredExample
from metagan.reporting.figures import sample_grid
from metagan.tasks.bank import TaskBank

log = logging.getLogger(__name__)
DIGEST_LENGTH = 36  # the longest that MLflow takes
OpenRun: TypeAlias = Callable[[], AbstractContextManager[None]]


class RunLogger(MLFlowLogger):
    """Logs into the MLflow run of this `kedro run`, and leaves ending it to Kedro: later nodes still write to it."""

    LOGGER_JOIN_CHAR = "/"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """All but Lightning's epoch, which is always 0 here."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    def finalize(self, status: str = "success") -> None:
        """Nothing: the base class would mark the run FINISHED (or FAILED) here."""


@contextmanager
def nested_runs(names: Sequence[str]) -> Iterator[list[OpenRun]]:
    """For each name what opens a run of that name inside the active one, here or in another process.

    All runs are made before the first is opened, so that a server may go away at any time after. When it is away
    before, nothing is recorded of what has no run. What an error leaves unended is KILLED. Without an active run there
    is nothing to open.
    """
    parent = mlflow.active_run()
    if parent is None:
        yield [nullcontext] * len(names)
        return
    client = mlflow.MlflowClient()
    tags = resolve_tags({MLFLOW_PARENT_RUN_ID: parent.info.run_id})
    runs = []
    try:
        for name in names:
            runs.append(client.create_run(parent.info.experiment_id, tags=tags, run_name=name))
            client.update_run(runs[-1].info.run_id, "SCHEDULED")
    except MlflowException as error:
        inside = mlflow_version.inside()
        if inside is None or not outbox.is_away(error):
            raise
        for run in runs:
            client.set_terminated(run.info.run_id, "KILLED")
        log.warning("%s: without runs of their own, since these cannot be made now: %s", ", ".join(names), error)
        yield [inside.without_run] * len(names)
        return
    try:
        yield [partial(_opened, run, mlflow.get_tracking_uri(), outbox.installed_in()) for run in runs]
    except BaseException:
        for run in runs:
            if client.get_run(run.info.run_id).info.status in ("SCHEDULED", "RUNNING"):
                client.set_terminated(run.info.run_id, "KILLED")
        raise


@contextmanager
def _opened(run: Run, tracking_uri: str, unsent: Path | None) -> Iterator[None]:
    """The run is active, and ends FINISHED, FAILED, or KILLED when interrupted."""
    if unsent != outbox.installed_in():
        outbox.install(unsent)
    outbox.seen[run.info.run_id] = run.to_proto()
    mlflow.set_tracking_uri(tracking_uri)
    with mlflow.start_run(run.info.run_id, nested=True):
        try:
            yield
        except (KeyboardInterrupt, SystemExit):  # Lightning makes the second of the first
            mlflow.end_run("KILLED")
            raise


def run_logger(prefix: str = "") -> RunLogger | None:
    """A logger for the active MLflow run, or None outside one; metrics are named `prefix`/metric."""
    run = mlflow.active_run()
    if run is None:
        return None
    return RunLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=prefix)


def grid_logger(logger: RunLogger | None, example: StoredExample) -> Callable[[Tensor, int], None] | None:
    """Logs validation samples (rows, columns, C, H, W) in [0, 1] as a picture of the run, by meta-step."""
    if logger is None:
        return None

    def show(samples: Tensor, meta_step: int) -> None:
        picture = sample_grid(example, samples)
        logger.experiment.log_image(logger.run_id, picture, key="validation_samples", step=meta_step, synchronous=True)

    return show


def log_task_bank(bank: TaskBank) -> None:
    """Show the bank as an input of the active MLflow run, under the name of its source and the hash of its content."""
    source = LocalArtifactDatasetSource(str(getattr(bank.images, "filename", bank.source)))
    mlflow.log_input(MetaDataset(source, bank.source, bank.content_hash[:DIGEST_LENGTH]), context="tasks")
