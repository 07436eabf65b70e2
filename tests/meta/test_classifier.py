from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from metagan.meta.differentiation import by_autograd
from metagan.meta.learners.classifier import PREFIX, ClassifierLearner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import UPDATE_RULES, initialised, shared_rule
from metagan.nets.conv4 import Conv4

RATE, STEPS, WEIGHTS = 0.25, 3, [0.5, 0.0, 1.0]


@pytest.fixture
def learner() -> ClassifierLearner:
    torch.manual_seed(0)
    return ClassifierLearner(Conv4(channels=1, width=4, image_size=16, outputs=3).double())


@pytest.fixture
def tasks() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "support": torch.rand(2, 3, 1, 16, 16, dtype=torch.float64, generator=generator),
        "support_labels": torch.arange(3).expand(2, -1),
        "query": torch.rand(2, 6, 1, 16, 16, dtype=torch.float64, generator=generator),
        "query_labels": torch.arange(3).repeat(2).expand(2, -1),
    }


@pytest.mark.parametrize("mode", ["threads", "loop", "vmap"])
def test_maml_gradient_equals_that_of_higher(
    learner: ClassifierLearner, tasks: dict[str, torch.Tensor], mode: str
) -> None:
    higher = pytest.importorskip("higher", reason="the bench extra is not installed")
    network = learner.network
    optimiser = torch.optim.SGD(network.parameters(), RATE)
    for support, support_labels, query, query_labels in zip(*tasks.values(), strict=True):
        with higher.innerloop_ctx(network, optimiser, copy_initial_weights=False) as (adapted, inner):
            losses = []
            for _ in range(STEPS):
                inner.step(F.cross_entropy(adapted(support), support_labels))
                losses.append(F.cross_entropy(adapted(query), query_labels))
            (sum(weight * loss for weight, loss in zip(WEIGHTS, losses, strict=True)) / 2).backward()

    networks = {PREFIX + name: value.detach() for name, value in network.named_parameters()}
    rules = shared_rule(UPDATE_RULES["sgd"], networks)
    _, gradients = TaskMap(learner, mode, chunk=2, workers=2).mean_gradient(
        lambda own, parameters, task, differentiate: META_GRADIENTS["maml"](
            own, rules, parameters, task, WEIGHTS, differentiate
        ),
        {**networks, **initialised(rules, networks, dict.fromkeys(networks, RATE), STEPS)},
        tasks,
    )
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[PREFIX + name], value.grad)


def test_inner_loss_is_the_cross_entropy_of_the_support_set(
    learner: ClassifierLearner, tasks: dict[str, torch.Tensor]
) -> None:
    task = {name: value[0] for name, value in tasks.items()}
    parameters = {PREFIX + name: value.detach() for name, value in learner.network.named_parameters()}
    value, gradients = by_autograd(lambda own: learner.inner_loss("classifier", own, task, 0), parameters, False)
    likelihood = torch.softmax(learner.network(task["support"]), 1)[torch.arange(3), task["support_labels"]]
    torch.testing.assert_close(value, -likelihood.log().mean().detach())
    assert gradients.keys() == parameters.keys()
