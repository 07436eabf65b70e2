from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from metagan.meta.learners import TaskTensors


@pytest.mark.parametrize(
    ("shots", "batches"),
    [
        (None, [[0, 1, 2, 3, 4, 5]] * 2),
        (3, [[0, 1, 2, 3, 4, 5]] * 2),
        (2, [[0, 1, 2, 3, 4, 5]] * 2),
        (1, [[0, 2, 4], [1, 3, 5]]),
    ],
)
def test_the_gradient_is_the_way_back_from_the_adapted_parameters(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], shots: int | None, batches: list[list[int]]
) -> None:
    """theta - theta_k, by torch's own SGD on the support set or parts of it; the query set is not looked at."""
    built, task = build("reptile", shots=shots), make_task()
    network = built.network
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    gradients = built.gradient({**task, "query": torch.full_like(task["query"], torch.nan)})
    optimiser = torch.optim.SGD(network.parameters(), built.rate)
    for batch in batches:
        optimiser.zero_grad()
        F.cross_entropy(network(task["support"][batch]), task["support_labels"][batch]).backward()
        optimiser.step()
    for name, value in network.named_parameters():
        torch.testing.assert_close(gradients[f"classifier.{name}"], start[name] - value.detach())
