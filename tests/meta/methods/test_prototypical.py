from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from metagan.meta.learners import TaskTensors
from metagan.meta.methods.prototypical import class_means, squared_distances


def test_prototypes_are_class_means_in_any_order() -> None:
    features = torch.tensor([[1.0, 0.0], [4.0, 4.0], [3.0, 2.0], [0.0, 2.0]])
    means = class_means(features, torch.tensor([1, 0, 1, 0]), torch.arange(2))
    assert means.tolist() == [[2.0, 3.0], [2.0, 1.0]]


def test_classes_may_have_different_numbers_of_images() -> None:
    features = torch.tensor([[1.0], [2.0], [6.0], [9.0]])
    means = class_means(features, torch.tensor([0, 2, 0, 0]), torch.tensor([0, 2]))
    torch.testing.assert_close(means, torch.tensor([[16 / 3], [2.0]]))


def test_distances_are_squared() -> None:
    queries, prototypes = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 1.0]])
    assert squared_distances(queries, prototypes).tolist() == [[25.0, 1.0, 2.0], [13.0, 1.0, 0.0]]


def test_the_loss_is_that_of_the_paper(build: Callable[..., Any], make_task: Callable[..., TaskTensors]) -> None:
    """Equation 2: a softmax over negative squared distances between features, for more ways than in training too."""
    built = build("prototypical")
    for ways in (3, 5):
        task = make_task(ways=ways)
        support, query = built.network(task["support"]), built.network(task["query"])
        prototypes = torch.stack([support[task["support_labels"] == label].mean(0) for label in range(ways)])
        logits = -torch.cdist(query, prototypes).square()
        predict = built.learner.predictor(built.parameters, task)
        torch.testing.assert_close(predict(task["query"]), logits)
        loss = built.learner.outer_loss("", [built.parameters], [1.0], task)
        torch.testing.assert_close(loss, F.cross_entropy(logits, task["query_labels"]))


def test_the_gradient_goes_through_prototypes_and_queries(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("prototypical"), make_task()
    support, query = built.network(task["support"]), built.network(task["query"])
    prototypes = support.unflatten(0, (3, 2)).mean(1)
    loss = F.cross_entropy(-torch.cdist(query, prototypes).square(), task["query_labels"])
    loss.backward()
    gradients = built.gradient(task)
    for name, value in built.network.named_parameters():
        torch.testing.assert_close(gradients[f"classifier.{name}"], value.grad)
