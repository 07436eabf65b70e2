"""What holds for every method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from metagan.losses.attacks import perturb, pgd
from metagan.meta.adversary import Adversary
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.classifier import ClassifierLearner, FeatureLearner
from metagan.meta.methods import METHODS
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import WITH_HEAD

ATTACK = pgd("linf", 0.1, 2)
FEATURES = ["prototypical", "matching", "matching_fce"]


@pytest.mark.parametrize("name", METHODS)
def test_all_modes_agree_under_attack(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], name: str
) -> None:
    built = build(name, transductive=False, adversary=Adversary("both", ATTACK, "trades", 2.0))
    tasks = [make_task(seed) for seed in range(2)]
    stacked = {part: torch.stack([task[part] for task in tasks]) for part in tasks[0]}
    value, gradients = TaskMap(built.learner, "loop", 2).mean_gradient(built.loss, built.parameters, stacked)
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())
    for mode in ["threads", "vmap"] if name != "matching_fce" else ["threads"]:  # torch cannot map an LSTM
        task_map = TaskMap(built.learner, mode, 2, workers=2)
        other_value, other = task_map.mean_gradient(built.loss, built.parameters, stacked)
        torch.testing.assert_close(other_value, value)
        for own, gradient in gradients.items():
            torch.testing.assert_close(other[own], gradient, rtol=1e-6, atol=1e-9, msg=f"{mode}: {own}")


@pytest.mark.parametrize("name", ["maml", "anil", "fine_tune"])
def test_an_inner_step_sees_its_batch_alone(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], name: str
) -> None:
    built, task = build(name, adversary=Adversary("support", ATTACK, "adversarial", 1.0)), make_task()
    in_batches = replace(built.learner, shots=1)
    generator = torch.Generator().manual_seed(1)
    parameters = {
        own: torch.randn(value.shape, dtype=torch.float64, generator=generator)
        for own, value in built.parameters.items()
    }
    for step, batch in enumerate([[0, 2, 4], [1, 3, 5], [0, 2, 4]]):
        part = {own: value[batch] if own.startswith("support") else value for own, value in task.items()}
        expected = built.learner.inner_loss("classifier", parameters, part, step)
        torch.testing.assert_close(in_batches.inner_loss("classifier", parameters, task, step), expected)
        assert not torch.isclose(built.learner.inner_loss("classifier", parameters, task, step), expected)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("ways", [2, 5])
def test_only_methods_without_a_head_answer_for_any_number_of_classes(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], name: str, ways: int
) -> None:
    built, task = build(name), make_task(ways=ways)
    logits = built.learner.predictor(built.parameters, task)(task["query"])
    own = len(built.parameters["classifier.head.bias"]) if name in WITH_HEAD else ways
    assert logits.shape == (2 * ways, own)


# Which losses an adversary reaches


def attacked(learner: ClassifierLearner, parameters: Any, task: TaskTensors, part: str) -> torch.Tensor:
    """Images of a part of the task, attacked as queries."""
    predict, labels = learner.predictor(parameters, task), task[f"{part}_labels"]
    return perturb(
        lambda moved: F.cross_entropy(predict(moved), labels), task[part], ATTACK, task[f"{part}_start"]
    ).detach()


@pytest.mark.parametrize("where", ["support", "query", "both"])
def test_maml_meets_attacked_images_in_the_inner_and_outer_loss(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], where: Any
) -> None:
    """The inner loss only where the support set is attacked, the outer loss only where the query set is."""
    built, task = build("maml", adversary=Adversary(where, ATTACK, "adversarial", 1.0)), make_task()
    expected = {}
    for part, is_attacked in (("support", where != "query"), ("query", where != "support")):
        images = attacked(built.learner, built.parameters, task, part) if is_attacked else task[part]
        expected[part] = F.cross_entropy(built.network(images), task[f"{part}_labels"])
    torch.testing.assert_close(built.learner.inner_loss("classifier", built.parameters, task, 0), expected["support"])
    torch.testing.assert_close(built.learner.outer_loss("", [built.parameters], [1.0], task), expected["query"])


def test_an_inductive_classifier_is_attacked_with_its_support_set_s_statistics(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("maml", transductive=False), make_task()
    found: list[Any] = []
    built.network(task["support"], found=found)
    loss = built.learner.outer_loss("", [built.parameters], [1.0], task)
    torch.testing.assert_close(loss, F.cross_entropy(built.network(task["query"], found), task["query_labels"]))


@pytest.mark.parametrize(
    ("kind", "weight", "share"), [("adversarial", 1.0, 1.0), ("clean_and_adversarial", 0.3, 0.3), ("trades", 2.0, 0.5)]
)
@pytest.mark.parametrize("name", FEATURES)
def test_methods_without_inner_steps_see_an_attacked_support_set(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors], name: str, kind: Any, weight: float, share: float
) -> None:
    """It is attacked as queries of itself; `share` is that of the loss with it."""
    adversary = Adversary("support", ATTACK, kind, weight)
    built, natural, task = build(name, adversary=adversary), build(name), make_task()
    predict = natural.learner.predictor(natural.parameters, task)
    moved = adversary.attacked(predict, task["support"], task["support_labels"], task["support_start"])
    clean, poisoned = (
        natural.learner.outer_loss("", [natural.parameters], [1.0], {**task, "support": images})
        for images in (task["support"], moved)
    )
    loss = built.learner.outer_loss("", [built.parameters], [1.0], task)
    torch.testing.assert_close(loss, (1 - share) * clean + share * poisoned)
    assert not torch.isclose(loss, clean)


def test_the_losses_after_each_step_are_weighed(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("maml"), make_task()
    others = {name: value * 1.5 for name, value in built.parameters.items()}
    first, last = (built.learner.outer_loss("", [own], [1.0], task) for own in (built.parameters, others))
    both = built.learner.outer_loss("", [built.parameters, others], [0.2, 1.0], task)
    torch.testing.assert_close(both, 0.2 * first + last)


def test_feature_learners_take_measured_statistics_when_there_are_any(
    build: Callable[..., Any], make_task: Callable[..., TaskTensors]
) -> None:
    built, task = build("prototypical", transductive=False), make_task()
    assert isinstance(built.learner, FeatureLearner)
    found: list[Any] = []
    built.network(make_task(seed=5)["query"], found=found)
    known = {
        f"statistics.{block}.{name}": value.detach()
        for block, pair in enumerate(found)
        for name, value in zip(("mean", "variance"), pair, strict=True)
    }
    embed = built.learner.embed
    torch.testing.assert_close(embed({**built.parameters, **known}, task["query"]), built.network(task["query"], found))
    torch.testing.assert_close(embed(built.parameters, task["query"]), built.network(task["query"]))
