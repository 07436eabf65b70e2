"""What a training says to the MLflow run of its `kedro run`."""

from __future__ import annotations

from collections.abc import Callable

from collections.abc import Callable

import mlflow
import torch
from lightning.pytorch.loggers import MLFlowLogger
from torch import Tensor

from metagan.reporting.figures import sample_grid
from PIL import Image


class RunLogger(MLFlowLogger):
    """Logs into the MLflow run of this `kedro run`, and leaves ending it to Kedro: later nodes still write to it."""

    LOGGER_JOIN_CHAR = "/"

    def finalize(self, status: str = "success") -> None:
        """Nothing: the base class would mark the run FINISHED (or FAILED) here."""


def run_logger(prefix: str = "") -> RunLogger | None:
    """A logger for the active MLflow run, or None outside one; metrics are named `prefix`/metric."""
    run = mlflow.active_run()
    if run is None:
        return None
    return RunLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=prefix)


def picture_logger(name: str) -> Callable[[Image.Image, int], None]:
    """Puts pictures into the active MLflow run, one for each step; does nothing outside a run."""

    def log(picture: Image.Image, step: int) -> None:
        if mlflow.active_run() is not None:
            mlflow.log_image(picture, key=name, step=step)

    return log


def grid_logger(logger: RunLogger | None) -> Callable[[Tensor, int], None] | None:
    """Logs validation samples (rows, columns, C, H, W) in [0, 1] as a picture of the run, by meta-step."""
    if logger is None:
        return None

    def show(samples: Tensor, meta_step: int) -> None:
        pixels = samples.mul(255).round().to(torch.uint8).numpy()
        logger.experiment.log_image(logger.run_id, sample_grid(pixels), key="validation_samples", step=meta_step)

    return show
