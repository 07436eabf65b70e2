"""Kedro's settings of the project."""

import os
import warnings

os.environ.setdefault("DO_NOT_TRACK", "true")  # MLflow decides when it is first imported
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # forked trainings must share no connection

with warnings.catch_warnings(record=True):  # MLflow finds fault with a class of kedro-mlflow
    import kedro_mlflow.mlflow  # noqa: F401
from lightning.pytorch.utilities import rank_zero_only
from omegaconf.resolvers import oc

from metagan.hooks import ErrorHook, HelperHook, LockHook, ParameterHook, TrackingHook, TrainingHook

if rank_zero_only.rank == 0:
    HOOKS = (LockHook(), ParameterHook(), TrackingHook(), TrainingHook(), ErrorHook())
    DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
else:  # torchrun, srun or Lightning has started this process to help another
    HOOKS = (ParameterHook(), HelperHook(), ErrorHook())
    DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", "kedro_mlflow")
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "custom_resolvers": {"oc.env": oc.env},
}
