"""Kedro's settings of the project."""

import os

os.environ.setdefault("DO_NOT_TRACK", "true")

from omegaconf.resolvers import oc

from metagan.hooks import ParameterHook, TrackingHook

HOOKS = (ParameterHook(), TrackingHook())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "custom_resolvers": {"oc.env": oc.env},
}
