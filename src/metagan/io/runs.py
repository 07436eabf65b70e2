"""The finished runs of the tracking database as a Kedro dataset."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import mlflow
import pandas as pd
from kedro.io import AbstractDataset, DatasetError


class FinishedRunsDataset(AbstractDataset[NoReturn, pd.DataFrame]):
    """Loads what `mlflow.search_runs` gives for all finished runs of all experiments, the latest first.

    A metric whose whole name matches the regular expression `by_step` is a mapping of its values by step instead of
    its last value.
    """

    def __init__(self, by_step: str, metadata: dict[str, Any] | None = None) -> None:
        self._by_step = re.compile(by_step)
        self.metadata = metadata

    def load(self) -> pd.DataFrame:
        runs = mlflow.search_runs(filter_string="attributes.status = 'FINISHED'", search_all_experiments=True)
        for column in runs.columns:
            metric = column.removeprefix("metrics.")
            if metric != column and self._by_step.fullmatch(metric):
                runs[column] = [
                    None if pd.isna(last) else _history(run, metric)
                    for run, last in zip(runs["run_id"], runs[column], strict=True)
                ]
        return runs

    def save(self, data: NoReturn) -> None:
        raise DatasetError("runs are recorded by MLflow, not saved by nodes")

    def _describe(self) -> dict[str, Any]:
        return {"tracking_uri": mlflow.get_tracking_uri(), "by_step": self._by_step.pattern}


def _history(run: str, metric: str) -> dict[int, float]:
    return {point.step: point.value for point in mlflow.MlflowClient().get_metric_history(run, metric)}
