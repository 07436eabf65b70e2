"""The meta-model as an MLflow model, which can still be adapted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array
from torch import Tensor

from metagan.domains import domain_of
from metagan.serving.adapted_generator import TEMPERATURE, AdaptedGenerator
from metagan.serving.base import ServedModel
from metagan.serving.entrances import ENTRANCES, Entrance
from metagan.serving.limits import Work, check_range
from metagan.training.adapted_generator import adapt_generator

STEPS, SAMPLES = 20, 16
MOST_STEPS, MOST_GIVEN = 50, 50


class MetaModel(ServedModel):
    """A row holds 1 to 50 examples of one thing like those of the training, by the name that their domain has for a
    person's own: `pictures` or `recordings`, files in base64, or `lines`.

    Asks for `n` new ones by `seed` at a `temperature`, after `steps` steps of adaptation; the answer is n samples in
    the form of their domain.
    """

    @classmethod
    def serves(cls, domain: str) -> bool:
        return domain in ENTRANCES

    @property
    def signature(self) -> ModelSignature:
        counts = (ColSpec("long", name, required=False) for name in ("n", "seed", "steps"))
        inputs = Schema([ColSpec(Array("string"), self.own), *counts, TEMPERATURE])
        return ModelSignature(inputs=inputs, outputs=Schema([ColSpec("string")]))

    @property
    def own(self) -> str:
        """The column of what is adapted to."""
        return domain_of(self.model.header.architecture).names.own

    @property
    def entrance(self) -> Entrance:
        return ENTRANCES[self.model.header.architecture.domain]

    def adapt(self, support: Tensor, steps: int = STEPS, seed: int = 0) -> AdaptedGenerator:
        """A generator of what `support` (K, C, H, W) in [0, 1] shows. Raises UserError for another shape."""
        generator, _ = adapt_generator(self.model, support, steps, 1, seed, progress=False)
        return AdaptedGenerator(generator)

    def work(
        self, n: int = SAMPLES, seed: int = 0, temperature: float = 1.0, steps: int = STEPS, **given: list[str]
    ) -> Work:
        own = given[self.own]
        check_range("steps", steps, 1, MOST_STEPS)
        check_range(self.own, len(own), 1, MOST_GIVEN)
        asked = AdaptedGenerator().work(n, seed, temperature)
        return Work(asked.examples + len(own), self.entrance.count(self.own, own))

    def answer(
        self, n: int = SAMPLES, seed: int = 0, temperature: float = 1.0, steps: int = STEPS, **given: list[str]
    ) -> Iterator[str]:
        support = self.entrance.read(self.own, given[self.own], self.model.header.architecture.shape)
        return self.adapt(support, steps, seed).answer(n, seed, temperature)

    def example(self) -> dict[str, Any]:
        given = self.entrance.example(self.model.header.architecture.shape)
        return {self.own: given, "n": 2, "seed": 1, "steps": 1}


set_model(MetaModel())
