"""Any method with a tiny network in float64, and tasks for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metagan.meta.adversary import Adversary
from metagan.meta.differentiation import Differentiate, Parameters, by_autograd
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.learners.classifier import PREFIX, ClassifierLearner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.methods import METHODS
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule
from metagan.parameters import ClassifierArchitecture

WAYS, SHOTS, QUERIES, BASE_CLASSES, SIZE, RATE = 3, 2, 2, 6, 16, 0.3
ARCHITECTURE = ClassifierArchitecture(
    shape=(1, SIZE, SIZE), width=4, pooling="stride", n_way=WAYS, base_classes=BASE_CLASSES
)


@dataclass
class Built:
    """A learner with start parameters, rates included, and the loss that training differentiates."""

    learner: ClassifierLearner
    rules: Rules
    parameters: Parameters
    loss: Callable[[Learner, Parameters, TaskTensors, Differentiate], Tensor]
    rate: float = RATE

    def gradient(self, task: TaskTensors) -> Parameters:
        """The meta-gradient of one task."""
        return by_autograd(lambda own: self.loss(self.learner, own, task, by_autograd), self.parameters, False)[1]

    @property
    def network(self) -> nn.Module:
        return self.learner.network


@pytest.fixture
def build() -> Callable[..., Built]:
    """Methods with inner steps take two of them in training."""

    def make(
        name: str, transductive: bool = True, adversary: Adversary | None = None, shots: int | None = None
    ) -> Built:
        method = METHODS[name]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = method.network(ARCHITECTURE).double()
        learner = method.learner(network, transductive, adversary, shots)
        parameters = {PREFIX + own: value.detach() for own, value in network.named_parameters()}
        rules, weights = {}, [1.0]
        if method.adapts is not None:
            weights = [0.0, 1.0]
            adapted = [own for own in parameters if re.search(method.adapts, own.removeprefix(PREFIX))]
            rules = shared_rule(UPDATE_RULES["sgd"], adapted)
            parameters |= initialised(rules, parameters, dict.fromkeys(adapted, RATE), len(weights))
        estimate = META_GRADIENTS[method.meta_gradient]

        def loss(own: Learner, given: Parameters, task: TaskTensors, engine: Differentiate) -> Tensor:
            return estimate(own, built.rules, given, task, weights, engine)

        built = Built(learner, rules, parameters, loss)
        return built

    return make


@pytest.fixture
def make_task() -> Callable[..., TaskTensors]:
    """A random task; `ways` classes of random pictures under noise."""

    def make(seed: int = 0, ways: int = WAYS) -> TaskTensors:
        generator = torch.Generator().manual_seed(seed)
        pictures = torch.rand(ways, 1, 1, SIZE, SIZE, dtype=torch.float64, generator=generator)
        task: dict[str, Any] = {"ways": torch.arange(ways)}
        for part, number in (("support", SHOTS), ("query", QUERIES)):
            noise = torch.rand(ways, number, 1, SIZE, SIZE, dtype=torch.float64, generator=generator)
            images = (0.6 * pictures + 0.4 * noise).flatten(0, 1)
            labels = task["ways"].repeat_interleave(number)
            start = torch.rand(images.shape, dtype=torch.float64, generator=generator) * 2 - 1
            task |= {part: images, f"{part}_labels": labels, f"{part}_classes": labels + 2, f"{part}_start": start}
        return task

    return make
