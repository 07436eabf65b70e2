"""The meta-model as an MLflow model, which can still be adapted."""

from __future__ import annotations

from typing import Any

import torch
from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array
from torch import Tensor

from metagan.serving.adapted_generator import AdaptedGenerator
from metagan.serving.base import ServedModel
from metagan.serving.limits import Work, check_range
from metagan.serving.pictures import count_pixels, from_base64, to_base64
from metagan.training.adapted_generator import adapt_generator

STEPS, SAMPLES = 20, 16
MOST_STEPS, MOST_PICTURES = 50, 50


class MetaModel(ServedModel):
    """A row holds 1 to 50 `pictures` of one thing (files in base64), looking like those of the training.

    Asks for `n` new ones by `seed`, after `steps` steps of adaptation; the answer is n PNG files in base64.
    """

    signature = ModelSignature(
        inputs=Schema(
            [
                ColSpec(Array("string"), "pictures"),
                *(ColSpec("long", name, required=False) for name in ("n", "seed", "steps")),
            ]
        ),
        outputs=Schema([ColSpec("string")]),
    )

    def adapt(self, pictures: Tensor, steps: int = STEPS, seed: int = 0) -> AdaptedGenerator:
        """A generator of what `pictures` (K, C, H, W) in [0, 1] show. Raises UserError for another shape."""
        generator, _ = adapt_generator(self.model, pictures, steps, 1, seed, progress=False)
        return AdaptedGenerator(generator)

    def work(self, pictures: list[str], n: int = SAMPLES, seed: int = 0, steps: int = STEPS) -> Work:
        check_range("steps", steps, 1, MOST_STEPS)
        check_range("pictures", len(pictures), 1, MOST_PICTURES)
        asked = AdaptedGenerator().work(n, seed)
        return Work(asked.examples + len(pictures), count_pixels("pictures", pictures))

    def answer(self, pictures: list[str], n: int = SAMPLES, seed: int = 0, steps: int = STEPS) -> list[str]:
        architecture = self.model.header.architecture
        support = from_base64("pictures", pictures, architecture.shape)
        return self.adapt(support, steps, seed).answer(n, seed)

    def example(self) -> dict[str, Any]:
        architecture = self.model.header.architecture
        size = architecture.shape[-1]
        square = torch.zeros(3, *architecture.shape)
        square[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
        return {"pictures": to_base64(square), "n": 2, "seed": 1, "steps": 1}


set_model(MetaModel())
