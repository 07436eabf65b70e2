"""What few-shot classifiers answer in episodes, also when they are adapted to the same task several times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.class_posterior import ClassPrior, class_prior, log_chances
from metagan.meta.learners import TaskTensors
from metagan.meta.methods.prototypical import PrototypicalLearner
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import BankStream, TaskStream, task_stream
from metagan.training.classifier import FewShotClassifier
from metagan.training.episodes import episode_task


class Answers(NamedTuple):
    """Logits (M, E, Q, N) of M adaptations to each of E episodes: of its queries, whose labels are (E, Q), and
    (M, E, R, N) of queries of classes that are not in the episode."""

    logits: Tensor
    labels: Tensor
    foreign: Tensor


def answers(
    model: FewShotClassifier,
    bank: TaskBank,
    split: str,
    seed: int,
    shape: tuple[int, int, int],
    episodes: int,
    members: int,
    norm: str = "linf",
) -> Answers:
    """Of episodes of `shape`, (n_way, k_shot, n_query). The first adaptation is to the support set as it is, the others
    to examples of it that are moved as the domain moves them. `norm` is that of an adversary. R is 0 where an
    episode leaves no class of the split.
    """
    stream, found = task_stream(bank, seed), []
    for index in range(episodes):
        task = episode_task(stream, split, index, *shape, norm=norm)
        foreign = _queries_of_others(stream, split, index, shape)
        own = [_adapted(model, moved, foreign) for moved in _supports(bank, task, members, seed, index)]
        logits, of_foreign = (torch.stack(each) for each in zip(*own, strict=True))
        found.append((logits, task["query_labels"], of_foreign))
    logits, labels, foreign_logits = zip(*found, strict=True)
    return Answers(torch.stack(logits, 1), torch.stack(labels), torch.stack(foreign_logits, 1))


def prior_of(model: FewShotClassifier, bank: TaskBank) -> ClassPrior | None:
    """How features of train classes vary, as the network gives them; None where it gives none that stay as they are."""
    learner = model.learner
    if not isinstance(learner, PrototypicalLearner) or model.is_transductive:
        return None
    features, labels = [], []
    for index in bank.splits["train"].tolist():
        with torch.no_grad():
            features.append(learner.embed(model.parameters, bank.domain.to_tensor(bank.class_images(index))))
        labels.append(torch.full((len(features[-1]),), index))
    return class_prior(torch.cat(features), torch.cat(labels))


class Posterior(NamedTuple):
    """By the posterior of each class's features: answers of one member, and how much likelier a query is in its
    likeliest class than in one that was never seen, as a logarithm, (E, Q) and of foreign ones (E, R)."""

    answers: Answers
    own: Tensor
    foreign: Tensor


def posterior_answers(
    model: FewShotClassifier,
    prior: ClassPrior,
    bank: TaskBank,
    split: str,
    seed: int,
    shape: tuple[int, int, int],
    episodes: int,
) -> Posterior:
    """To the queries of the same episodes as `answers`."""
    stream, found = task_stream(bank, seed), []
    learner = model.learner
    assert isinstance(learner, PrototypicalLearner)
    for index in range(episodes):
        task = episode_task(stream, split, index, *shape)
        foreign = _queries_of_others(stream, split, index, shape)
        with torch.no_grad():
            support, *asked = (
                learner.embed(model.parameters, images) for images in (task["support"], task["query"], foreign)
            )
        by_class = torch.stack([support[task["support_labels"] == way] for way in task["ways"]])
        logits, known = zip(*(log_chances(prior, by_class, features) for features in asked), strict=True)
        sure = [chances.amax(1) - of_none for chances, of_none in zip(logits, known, strict=True)]
        found.append((logits[0], task["query_labels"], logits[1], *sure))
    logits, labels, foreign_logits, own, of_foreign = (torch.stack(each) for each in zip(*found, strict=True))
    return Posterior(Answers(logits[None], labels, foreign_logits[None]), own, of_foreign)


def _adapted(model: FewShotClassifier, task: TaskTensors, foreign: Tensor) -> tuple[Tensor, Tensor]:
    predict = model.predictor(task)
    with torch.no_grad():
        return predict(task["query"]), predict(foreign)


def _supports(bank: TaskBank, task: TaskTensors, members: int, seed: int, index: int) -> list[TaskTensors]:
    generator = torch.Generator().manual_seed(1_000_003 * seed + index)
    moved = [bank.domain.move_at_random(task["support"], generator) for _ in range(members - 1)]
    return [{**task, "support": support} for support in (task["support"], *moved)]


def _queries_of_others(stream: TaskStream, split: str, index: int, shape: tuple[int, int, int]) -> Tensor:
    """Of as many classes as the episode has, or of all that it leaves."""
    bank = stream.bank
    others = np.setdiff1d(bank.splits[split], stream.episode(split, index, *shape).class_indices)
    if not len(others):
        return torch.empty(0, *bank.example.shape)
    drawn = BankStream(bank, stream.seed, others).episode(split, index, min(shape[0], len(others)), *shape[1:])
    return drawn.query.flatten(0, 1)
