"""The adapted generator as an MLflow model: {"n": 16, "seed": 1} is answered by 16 samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from torch import Tensor

from metagan.domains import DOMAINS, domain_of
from metagan.serving.base import ServedModel
from metagan.serving.limits import Work, check_range
from metagan.training.adapted_generator import draw

MOST_SAMPLES = 256
COOLEST, HOTTEST = 0.01, 10.0
TEMPERATURE = ColSpec(AnyType(), "temperature", required=False)  # for "double" MLflow takes 2.0, but not 2


class AdaptedGenerator(ServedModel):
    """A row asks for `n` samples (1 to 256) by `seed` (0 or more, default 0), at a `temperature` that is a multiple of
    the one of the adaptation (default 1); the answer is n of them in the form of their domain."""

    signature = ModelSignature(
        inputs=Schema([ColSpec("long", "n"), ColSpec("long", "seed", required=False), TEMPERATURE]),
        outputs=Schema([ColSpec("string")]),
    )

    @classmethod
    def serves(cls, domain: str) -> bool:
        return DOMAINS[domain].form is not None

    def draw(self, n: int, seed: int = 0, temperature: float = 1.0) -> Tensor:
        """Examples (n, C, H, W) in [0, 1]."""
        return draw(self.model, n, seed, temperature)

    def work(self, n: int, seed: int = 0, temperature: float = 1.0) -> Work:
        check_range("n", n, 1, MOST_SAMPLES)
        check_range("seed", seed, 0, 2**31 - 1)
        check_range("temperature", temperature, COOLEST, HOTTEST)
        return Work(n)

    def answer(self, n: int, seed: int = 0, temperature: float = 1.0) -> Iterator[str]:
        domain = domain_of(self.model.header.architecture)
        assert domain.form is not None
        for stored in domain.to_stored(self.draw(n, seed, temperature)):
            yield domain.form.write(stored, seed)

    def example(self) -> dict[str, Any]:
        return {"n": 2, "seed": 1}


set_model(AdaptedGenerator())
