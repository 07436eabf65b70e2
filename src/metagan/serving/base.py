"""What the served models share."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel
from mlflow.pyfunc.utils import serving_data_parser

from metagan.errors import UserError

Payload = dict[str, Any]
MOST_SAMPLES = 256
WEIGHTS = "weights"
"""The name of the state dict among a model's artefacts."""


class ServedModel(PythonModel):
    """Answers each row of a request by `answer`, whose arguments are the columns of `signature`.

    Over HTTP a request is one row as a plain JSON object, answered by a plain list, or any form of MLflow's scoring
    protocol, such as {"dataframe_records": [row, ...]}, answered by {"predictions": [...]}.
    """

    signature: ClassVar[ModelSignature]

    def __init__(self, payload: Payload | None = None) -> None:
        self.payload = payload or {}

    def load_context(self, context: Any) -> None:
        """Read the weights of the MLflow model; nothing is unpickled."""
        self.payload = torch.load(context.artifacts[WEIGHTS], map_location="cpu", weights_only=True)
        # MLflow's server takes a plain object where it finds a key that it knows from language models.
        serving_data_parser.SUPPORTED_LLM_FORMATS.add(self.signature.inputs.input_names()[0])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[Any]:
        """The answers to all rows, one after another. What is wrong with a row is told as a bad request."""
        try:
            return [part for row in model_input.to_dict("records") for part in self.answer(**row)]
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def answer(self, **columns: Any) -> list[Any]:
        """The answer to one row. Raises UserError, which names the column, for a bad one."""
        raise NotImplementedError

    def example(self) -> dict[str, Any]:
        """A row that can be answered."""
        raise NotImplementedError


def check_range(name: str, value: int, lowest: int, highest: int) -> None:
    """Raise UserError, which names the column, for a value out of range."""
    if not lowest <= value <= highest:
        raise UserError(f"{name}: {value} is not in {lowest} to {highest}")
