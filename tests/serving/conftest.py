"""Tiny models as trainings leave them, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.parameters import Classifier, InnerLoop, Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord
from metagan.training.adapted_generator import adapt_generator
from metagan.training.classifier import architecture_of, initial_classifier, with_statistics
from metagan.training.gan import initial_networks, initial_rules, payload

SIZE = 16


@pytest.fixture(scope="session")
def meta_model() -> dict[str, Any]:
    networks = Networks(generator_width=8, discriminator_width=8, noise_size=4, largest_shift=1)
    architecture = {"channels": 1, "image_size": SIZE, **networks.model_dump()}
    inner = InnerLoop(steps=2)
    initial = initial_networks(architecture, 0)
    initial["generator.noise.weight"] *= 30  # so loud that no two samples are alike
    _, rates = initial_rules(inner, initial)
    return payload("meta_model", architecture, inner, {**initial, **rates})


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    """Three images whose pixels are whole levels of 255, as a PNG can hold them."""
    return torch.randint(256, (3, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0)) / 255


@pytest.fixture(scope="session")
def generator(meta_model: dict[str, Any], pictures: Tensor) -> dict[str, Any]:
    return adapt_generator(meta_model, pictures, 2, 1, 0, progress=False)[0]


@pytest.fixture(scope="session")
def classifier() -> dict[str, Any]:
    """A prototypical network."""
    settings = Classifier.model_validate({"n_way": 2, "n_query": 2, "network": {"width": 8}})
    images = np.random.default_rng(0).integers(0, 256, (12, 1, SIZE, SIZE), np.uint8)
    classes = tuple(ClassRecord(f"class {number}", "group", "train", 4) for number in range(3))
    bank = TaskBank(images, np.arange(4) * 4, classes, "noise", SIZE, 1, "hash")
    learner, _, state = initial_classifier(bank, settings, 0)
    return {
        "kind": "classifier",
        "settings": settings.model_dump(mode="json"),
        "architecture": architecture_of(bank, settings).model_dump(),
        "state": with_statistics(state, learner, bank, settings, 0),
    }
