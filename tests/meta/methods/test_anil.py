from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import by_autograd
from metagan.meta.learners import TaskTensors

HEAD = {"classifier.head.weight", "classifier.head.bias"}


def test_only_the_head_is_adapted(build: Callable[..., Any], make_task: Callable[..., TaskTensors]) -> None:
    built, task = build("anil"), make_task()
    *_, (adapted, _) = adapt(built.learner, built.rules, built.parameters, task, 2, by_autograd, False)
    changed = {name for name, value in adapted.items() if not torch.equal(value, built.parameters[name])}
    assert changed == HEAD


def test_the_gradient_goes_through_the_head_s_steps(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    """Second order: features of the support set reach the query loss through the adapted head as well."""
    built, task = build("anil"), make_task()
    network = built.network
    head, network.head = network.head, torch.nn.Identity()
    support, query = network(task["support"]), network(task["query"])
    weight, bias = head.weight, head.bias
    for _ in range(2):
        loss = F.cross_entropy(F.linear(support, weight, bias), task["support_labels"])
        steps = torch.autograd.grad(loss, [weight, bias], create_graph=True)
        weight, bias = weight - built.rate * steps[0], bias - built.rate * steps[1]
    loss = F.cross_entropy(F.linear(query, weight, bias), task["query_labels"])
    loss.backward()
    network.head = head
    gradients = built.gradient(task)
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[f"classifier.{name}"], value.grad)
