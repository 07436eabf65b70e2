from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch.func import functional_call

from metagan.meta.learners import TaskTensors


def test_the_gradient_is_the_query_loss_s_at_the_adapted_parameters(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("fomaml"), make_task()
    parameters = dict(built.network.named_parameters())
    for _ in range(2):
        loss = F.cross_entropy(functional_call(built.network, parameters, task["support"]), task["support_labels"])
        steps = torch.autograd.grad(loss, list(parameters.values()))
        parameters = {
            name: (value - built.rate * step).detach().requires_grad_()
            for (name, value), step in zip(parameters.items(), steps, strict=True)
        }
    loss = F.cross_entropy(functional_call(built.network, parameters, task["query"]), task["query_labels"])
    expected = torch.autograd.grad(loss, list(parameters.values()))
    gradients = built.gradient(task)
    for name, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(gradients[f"classifier.{name}"], gradient)
    second_order = build("maml").gradient(task)
    assert not torch.allclose(gradients["classifier.head.weight"], second_order["classifier.head.weight"])
