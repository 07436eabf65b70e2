"""The adapted generator as an MLflow model: {"n": 16, "seed": 1} is answered by 16 pictures."""

from __future__ import annotations

from typing import Any

from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, Schema
from torch import Tensor

from metagan.serving.base import ServedModel
from metagan.serving.limits import Work, check_range
from metagan.serving.pictures import to_base64
from metagan.training.adapted_generator import draw

MOST_SAMPLES = 256


class AdaptedGenerator(ServedModel):
    """A row asks for `n` pictures (1 to 256) by `seed` (0 or more, default 0); the answer is n PNG files in base64."""

    signature = ModelSignature(
        inputs=Schema([ColSpec("long", "n"), ColSpec("long", "seed", required=False)]),
        outputs=Schema([ColSpec("string")]),
    )

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """Images (n, C, H, W) in [0, 1]."""
        return draw(self.model, n, seed)

    def work(self, n: int, seed: int = 0) -> Work:
        check_range("n", n, 1, MOST_SAMPLES)
        check_range("seed", seed, 0, 2**31 - 1)
        return Work(n)

    def answer(self, n: int, seed: int = 0) -> list[str]:
        return to_base64(self.draw(n, seed))

    def example(self) -> dict[str, Any]:
        return {"n": 2, "seed": 1}


set_model(AdaptedGenerator())
