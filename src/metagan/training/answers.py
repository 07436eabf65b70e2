"""What few-shot classifiers answer in episodes, also when they are adapted to the same task several times."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.meta.learners import TaskTensors
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
