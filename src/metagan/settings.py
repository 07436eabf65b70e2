"""Kedro's settings of the project."""

import os
import warnings

from metagan.importing import kept
from metagan.places import name_user

os.environ.setdefault("DO_NOT_TRACK", "true")  # MLflow decides when it is first imported
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # forked trainings must share no connection

with kept(), warnings.catch_warnings(record=True):  # MLflow finds fault with a class of kedro-mlflow
    name_user()  # MLflow asks for the home when it is imported
    import kedro_mlflow.mlflow  # noqa: F401

from metagan.configuration import RESOLVERS
from metagan.context import Context
from metagan.recipes import ConfigLoader

CONTEXT_CLASS = Context
CONFIG_LOADER_CLASS = ConfigLoader
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "config_patterns": {"recipes": ["recipes.yml"]},
    "custom_resolvers": RESOLVERS,
}
