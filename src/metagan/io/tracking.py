"""What a training says to the MLflow run of its `kedro run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from lightning.pytorch.loggers import MLFlowLogger
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from torch import Tensor

from metagan.io import outbox
from metagan.reporting.figures import sample_grid
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import to_bytes

DIGEST_LENGTH = 36  # the longest that MLflow takes


class RunLogger(MLFlowLogger):
    """Logs into the MLflow run of this `kedro run`, and leaves ending it to Kedro: later nodes still write to it."""

    LOGGER_JOIN_CHAR = "/"

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """All but Lightning's epoch, which is always 0 here."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    def finalize(self, status: str = "success") -> None:
        """Nothing: the base class would mark the run FINISHED (or FAILED) here."""


@dataclass(frozen=True)
class ParentRun:
    """An MLflow run, for runs nested in it, here or in another process."""

    tracking_uri: str
    experiment_id: str
    run_id: str
    unsent: Path | None

    @classmethod
    def active(cls) -> ParentRun | None:
        """The active run, if there is one."""
        run = mlflow.active_run()
        if run is None:
            return None
        return cls(mlflow.get_tracking_uri(), run.info.experiment_id, run.info.run_id, outbox.installed_in())


@contextmanager
def nested_run(name: str, parent: ParentRun | None) -> Iterator[None]:
    """A run of its own inside the parent, KILLED when interrupted; nothing without one."""
    if parent is None:
        yield
        return
    if parent.unsent != outbox.installed_in():
        outbox.install(parent.unsent)
    mlflow.set_tracking_uri(parent.tracking_uri)
    with mlflow.start_run(run_name=name, experiment_id=parent.experiment_id, parent_run_id=parent.run_id, nested=True):
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


def grid_logger(logger: RunLogger | None, on_paper: bool = True) -> Callable[[Tensor, int], None] | None:
    """Logs validation samples (rows, columns, C, H, W) in [0, 1] as a picture of the run, by meta-step."""
    if logger is None:
        return None

    def show(samples: Tensor, meta_step: int) -> None:
        picture = sample_grid(to_bytes(samples), on_paper)
        logger.experiment.log_image(logger.run_id, picture, key="validation_samples", step=meta_step, synchronous=True)

    return show


def log_task_bank(bank: TaskBank) -> None:
    """Show the bank as an input of the active MLflow run, under the name of its source and the hash of its content."""
    source = LocalArtifactDatasetSource(str(getattr(bank.images, "filename", bank.source)))
    mlflow.log_input(MetaDataset(source, bank.source, bank.content_hash[:DIGEST_LENGTH]), context="tasks")
