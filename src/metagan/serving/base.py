"""What the served models share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import DEADLINE_EXCEEDED
from mlflow.pyfunc import PythonModel
from mlflow.pyfunc.utils import serving_data_parser

from metagan.errors import UserError
from metagan.serving.door import guard_server
from metagan.serving.limits import MOST_ROWS, MOST_SECONDS, Deadline, Work, check_most, check_work
from metagan.training.saved import SavedModel, saved_model

WEIGHTS = "weights"
"""The name of the state dict among a model's artefacts."""


class ServedModel(PythonModel):
    """Answers each row of a request by `answer`, whose arguments are the columns of `signature`.

    Over HTTP a request is one row as a plain JSON object, answered by a plain list, or any form of MLflow's scoring
    protocol, such as {"dataframe_records": [row, ...]}, answered by {"predictions": [...]}.
    """

    signature: ModelSignature

    model: SavedModel[Any]

    def __init__(self, model: SavedModel[Any] | None = None) -> None:
        if model is not None:  # MLflow makes one without, and has it read its weights
            self.model = model

    def load_context(self, context: Any) -> None:
        """Read the weights of the MLflow model; nothing is unpickled."""
        self.model = saved_model(torch.load(context.artifacts[WEIGHTS], map_location="cpu", weights_only=True))
        # MLflow's server takes a plain object where it finds a key that it knows from language models.
        fields = self.signature.inputs.input_names()
        serving_data_parser.SUPPORTED_LLM_FORMATS.add(fields[0])
        guard_server(fields)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> list[Any]:
        """The answers to all rows, one after another. What is wrong with a row, or too much of a request, is told as
        a bad request before any row is answered; a request that takes too long ends there."""
        try:
            check_most("rows", len(model_input), MOST_ROWS)
            rows = model_input.to_dict("records")
            check_work(self.work(**row) for row in rows)
            with Deadline(MOST_SECONDS) as deadline:
                parts = []
                for row in rows:
                    for part in self.answer(**row):
                        parts.append(part)
                        deadline.check()
                return parts
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        except TimeoutError as error:
            raise MlflowException(str(error), DEADLINE_EXCEEDED) from error

    @classmethod
    def serves(cls, domain: str) -> bool:
        """Whether it takes and gives examples of that domain."""
        raise NotImplementedError

    def work(self, **columns: Any) -> Work:
        """What a row asks for. Raises UserError, which names the column, where it is bad or too much."""
        raise NotImplementedError

    def answer(self, **columns: Any) -> Iterable[Any]:
        """The answer to one row. Raises UserError, which names the column, for a bad one."""
        raise NotImplementedError

    def example(self) -> dict[str, Any]:
        """A row that can be answered."""
        raise NotImplementedError
