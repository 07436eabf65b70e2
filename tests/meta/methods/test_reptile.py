from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from metagan.meta.learners import TaskTensors


def test_the_gradient_is_the_way_back_from_the_adapted_parameters(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    """theta - theta_k, by torch's own SGD on the support set; the query set is not looked at."""
    built, task = build("reptile"), make_task()
    network = built.network
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    gradients = built.gradient({**task, "query": torch.full_like(task["query"], torch.nan)})
    optimiser = torch.optim.SGD(network.parameters(), built.rate)
    for _ in range(2):
        optimiser.zero_grad()
        F.cross_entropy(network(task["support"]), task["support_labels"]).backward()
        optimiser.step()
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[f"classifier.{name}"], start[name] - value.detach())
