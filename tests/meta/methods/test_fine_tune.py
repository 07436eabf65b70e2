from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from metagan.losses.attacks import perturb, pgd
from metagan.meta.adaptation import adapt
from metagan.meta.adversary import Adversary
from metagan.meta.differentiation import by_autograd
from metagan.meta.learners import TaskTensors

HEAD = {"classifier.head.weight", "classifier.head.bias"}


def test_the_body_learns_the_train_classes_of_all_images(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    """An ordinary classifier: `support_classes` and `query_classes` count, the labels within the task do not."""
    built, task = build("fine_tune"), make_task()
    images, classes = torch.cat([task["support"], task["query"]]), task["support_classes"].tolist() * 2
    F.cross_entropy(built.network.base_head(built.network.body(images)), torch.tensor(classes)).backward()
    gradients = built.gradient({**task, "query_labels": task["query_labels"].flip(0)})
    for name, value in built.network.named_parameters():
        expected = value.grad if value.grad is not None else torch.zeros_like(value)
        torch.testing.assert_close(gradients[f"classifier.{name}"], expected)


def test_a_task_starts_with_a_zero_head_which_alone_is_adapted(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    """Training has no gradient for that head, so it is zero for ever; the first step from zero is known."""
    built, task = build("fine_tune"), make_task()
    assert all(built.parameters[name].abs().max() == 0 for name in HEAD)
    assert all(built.gradient(task)[name].abs().max() == 0 for name in HEAD)
    ((adapted, _),) = adapt(built.learner, built.rules, built.parameters, task, 1, by_autograd, False)
    changed = {name for name, value in adapted.items() if not torch.equal(value, built.parameters[name])}
    assert changed <= HEAD
    assert "classifier.head.weight" in changed
    features = built.network.body(task["support"])
    errors = F.one_hot(task["support_labels"]).double() - 1 / 3
    torch.testing.assert_close(adapted["classifier.head.weight"], built.rate * errors.T @ features / 6)
    predict = built.learner.predictor(adapted, task)
    logits = built.network.body(task["query"]) @ adapted["classifier.head.weight"].T + adapted["classifier.head.bias"]
    torch.testing.assert_close(predict(task["query"]), logits)


@pytest.mark.parametrize(
    ("where", "attacked"), [("support", slice(None, 6)), ("query", slice(6, None)), ("both", slice(None))]
)
def test_the_adversary_attacks_the_images_that_it_is_told_to(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], where: str, attacked: slice
) -> None:
    """The others stay in the batch as they are."""
    attack = pgd("linf", 0.1, 2)
    built, task = build("fine_tune", adversary=Adversary(where, attack, "adversarial", 1.0)), make_task()
    assert len(task["support"]) == 6
    images, classes, start = (
        torch.cat([task[f"support{part}"], task[f"query{part}"]]) for part in ("", "_classes", "_start")
    )

    def loss(moved: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(built.network.base_head(built.network.body(moved)), classes)

    def with_moved(part: torch.Tensor) -> torch.Tensor:
        moved = images.clone()
        moved[attacked] = part
        return moved

    part = perturb(lambda part: loss(with_moved(part)), images[attacked], attack, start[attacked])
    found = built.learner.outer_loss("", [built.parameters], [1.0], task)
    torch.testing.assert_close(found, loss(with_moved(part)))
    assert found > loss(images) + 0.005
