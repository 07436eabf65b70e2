"""The Lightning logger of a training inside a `kedro run`."""

from __future__ import annotations

import mlflow
from lightning.pytorch.loggers import MLFlowLogger


class RunLogger(MLFlowLogger):
    """Logs into the MLflow run of this `kedro run`, and leaves ending it to Kedro: later nodes still write to it."""

    def finalize(self, status: str = "success") -> None:
        """Nothing: the base class would mark the run FINISHED (or FAILED) here."""


def run_logger(prefix: str = "") -> RunLogger | None:
    """A logger for the active MLflow run, or None outside one; metrics are named `prefix`/metric."""
    run = mlflow.active_run()
    if run is None:
        return None
    logger = RunLogger(run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=prefix)
    logger.LOGGER_JOIN_CHAR = "/"
    return logger
