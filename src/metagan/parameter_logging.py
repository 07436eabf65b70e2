"""The parameters of a run, logged node by node."""

from __future__ import annotations

from typing import Any

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH


class BatchingMlflowHook(MlflowHook):
    """kedro-mlflow's own, but for the parameters of a node: they are one message, where it sends each."""

    @hook_impl
    def before_node_run(self, node: Node, catalog: Any, inputs: dict[str, Any], is_async: bool) -> None:
        """Log those that the node is given."""
        self._parameters: dict[str, str] = {}
        super().before_node_run(node, catalog, inputs, is_async)
        if self._parameters:
            mlflow.log_params(self._parameters)

    def _log_param(self, name: str, value: object) -> None:
        self._parameters[name] = str(value)[:MAX_PARAM_VAL_LENGTH]
