"""The context of a run: which hooks it has is known before any of them is called."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from metagan import scheduler
from metagan.errors import UserError
from metagan.hooks import DatabaseHook, HelperHook, InputError, LockHook, TrackingHook, TrainingHook, WriterHook
from metagan.parameters import Trainer

OF_THE_FIRST_PROCESS = (DatabaseHook, LockHook, MlflowHook, TrackingHook, TrainingHook, WriterHook)


class Context(KedroContext):
    """Takes the hooks that write away from a process that only helps with the trainings of another."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        try:
            helper = scheduler.variables() and scheduler.is_helper(self._trainer())
        except UserError as error:
            raise InputError(str(error)) from None
        if helper:
            for hook in self._hook_manager.get_plugins():
                if isinstance(hook, OF_THE_FIRST_PROCESS):
                    self._hook_manager.unregister(hook)
            self._hook_manager.register(HelperHook())

    def _trainer(self) -> Trainer:
        try:
            return Trainer.model_validate(self.config_loader["parameters"].get("trainer", {}))
        except Exception:  # ParameterHook says in a moment what is wrong with them
            return Trainer()
