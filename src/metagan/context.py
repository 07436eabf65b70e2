"""The context of a run: first what is wrong is refused, then the hooks come that the process needs."""

from __future__ import annotations

from typing import Any

from kedro.framework.context import KedroContext
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

from metagan import scheduler
from metagan.checks import InputError, check
from metagan.errors import UserError
from metagan.importing import kept


class Context(KedroContext):
    """Registers the hooks of this project itself: without those that write where a process only helps another."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        parameters = check(self)
        try:
            helper = bool(scheduler.variables()) and scheduler.is_helper(parameters.trainer)
        except UserError as error:
            raise InputError(str(error)) from None
        with kept():
            from metagan.hooks import hooks_of  # takes seconds, and who is refused need not wait for them

        for hook in self._hook_manager.get_plugins():
            if isinstance(hook, MlflowHook):
                self._hook_manager.unregister(hook)
        for hook in hooks_of(helper):
            self._hook_manager.register(hook)
