"""The few-shot classifier as an MLflow model: support and query images are answered by class probabilities."""

from __future__ import annotations

from typing import Any

import torch
from mlflow.models import ModelSignature, set_model
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import Array, Map
from torch import Tensor

from metagan.errors import UserError
from metagan.serving.base import ServedModel
from metagan.serving.limits import Work
from metagan.serving.pictures import count_pixels, from_base64, to_base64
from metagan.training.classifier import load_classifier
from metagan.training.episodes import random_start


class ServedClassifier(ServedModel):
    """A row holds `query` pictures (files in base64), and `support`: by the name of each class, some pictures of it.

    The answer is a mapping from names to probabilities for each query picture.
    """

    signature = ModelSignature(
        inputs=Schema([ColSpec(Array("string"), "query"), ColSpec(Map(Array("string")), "support")]),
        outputs=Schema([ColSpec(Map("double"))]),
    )

    @classmethod
    def serves(cls, domain: str) -> bool:
        return domain == "image"

    def probabilities(self, query: Tensor, support: list[Tensor]) -> Tensor:
        """(Q, N) for queries (Q, C, H, W) and the images (K, C, H, W) of each of N classes, all in [0, 1].

        Raises UserError for a number of classes that the classifier cannot tell apart.
        """
        model, n_way = load_classifier(self.model), len(support)
        if n_way < 2:
            raise UserError(f"support: holds {n_way} classes, but 2 or more are needed")
        if not model.fits(n_way):
            raise UserError(f"support: holds {n_way} classes, but the model tells {model.architecture.n_way} apart")
        images, ways = torch.cat(support), torch.arange(n_way)
        start = random_start(images, self.model.header.settings.adversary.norm, torch.Generator().manual_seed(0))
        labels = ways.repeat_interleave(torch.tensor([len(of_class) for of_class in support]))
        task = {"support": images, "support_labels": labels, "support_start": start, "query": query, "ways": ways}
        predict = model.predictor(task)
        with torch.no_grad():
            return predict(query).softmax(1)

    def work(self, query: list[str], support: dict[str, list[str]]) -> Work:
        named = {"query": query} | {f"support.{name}": pictures for name, pictures in support.items()}
        pixels = [count_pixels(name, pictures) for name, pictures in named.items()]
        return Work(sum(map(len, named.values())), sum(pixels))

    def answer(self, query: list[str], support: dict[str, list[str]]) -> list[dict[str, float]]:
        architecture = self.model.header.architecture
        shape = architecture.shape
        images = [from_base64(f"support.{name}", pictures, shape) for name, pictures in support.items()]
        probabilities = self.probabilities(from_base64("query", query, shape), images)
        return [dict(zip(support, row.tolist(), strict=True)) for row in probabilities]

    def example(self) -> dict[str, Any]:
        architecture = self.model.header.architecture
        shape = architecture.n_way, *architecture.shape
        pictures = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        files = to_base64(pictures)
        return {"query": files[:1], "support": {f"class {number}": [file] for number, file in enumerate(files)}}


set_model(ServedClassifier())
