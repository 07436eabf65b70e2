"""Kedro's settings of the project."""

import os
import warnings

os.environ.setdefault("DO_NOT_TRACK", "true")  # MLflow decides when it is first imported

with warnings.catch_warnings(record=True):  # MLflow finds fault with a class of kedro-mlflow
    import kedro_mlflow.mlflow  # noqa: F401
from omegaconf.resolvers import oc

from metagan.hooks import ErrorHook, LockHook, ParameterHook, TrackingHook, TrainingHook

HOOKS = (LockHook(), ParameterHook(), TrackingHook(), TrainingHook(), ErrorHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "custom_resolvers": {"oc.env": oc.env},
}
