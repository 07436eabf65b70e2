"""Kedro's settings of the project."""

import os
import warnings

os.environ.setdefault("DO_NOT_TRACK", "true")  # MLflow decides when it is first imported

from omegaconf.resolvers import oc  # noqa: E402

from metagan.hooks import ParameterHook, TrackingHook  # noqa: E402

warnings.filterwarnings("ignore", ".*Add type hints to the `predict` method")  # kedro-mlflow's own model

HOOKS = (ParameterHook(), TrackingHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "custom_resolvers": {"oc.env": oc.env},
}
