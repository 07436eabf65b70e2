"""Metrics of an MLflow run as a Kedro dataset."""

from __future__ import annotations

from time import time
from typing import Any

from kedro_mlflow.io.metrics import MlflowMetricsHistoryDataset
from mlflow import MlflowClient
from mlflow.entities import Metric


class MlflowMetricsDataset(MlflowMetricsHistoryDataset):
    """Of the active run: by name, a list of {"value", "step"}; all in one message, where kedro-mlflow sends each."""

    def __init__(self, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(prefix="", metadata=metadata)

    def _save(self, data: dict[str, list[dict[str, float]]]) -> None:
        if self._logging_activated:
            now = int(time() * 1000)
            points = [Metric(name, it["value"], now, int(it["step"])) for name, row in data.items() for it in row]
            MlflowClient().log_batch(self.run_id, points)
