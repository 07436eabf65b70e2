"""What few-shot classifiers answer in episodes, also when they are adapted to the same task several times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.meta.class_posterior import ClassPrior, class_prior
from metagan.meta.learners import TaskTensors
from metagan.meta.methods.posterior import Widen, chances_in
from metagan.meta.methods.prototypical import PrototypicalLearner
from metagan.parameters import Tasks
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources import SOURCES
from metagan.tasks.sources.base import Images
from metagan.tasks.streams import BankStream, TaskStream, task_stream
from metagan.training.classifier import FewShotClassifier
from metagan.training.episodes import episode_task
from metagan.training.train_classes import features_of_train_classes

OWN = "own"
Foreign = Mapping[str, Callable[[int], Tensor]]
"""By their name queries (R, C, H, W) that are of no class of an episode, of which the index is given."""


class Answers(NamedTuple):
    """Logits (M, E, Q, N) of M adaptations to each of E episodes: of its queries, whose labels are (E, Q), and
    (M, E, R, N) of each kind of foreign queries."""

    logits: Tensor
    labels: Tensor
    foreign: dict[str, Tensor]


def foreign_queries(bank: TaskBank, split: str, seed: int, shape: tuple[int, int, int]) -> Foreign:
    """Of other classes of the split, and digits where images are drawings in grey that are none."""
    stream = task_stream(bank, seed)
    kinds: dict[str, Callable[[int], Tensor]] = {"classes": partial(_queries_of_others, stream, split, shape)}
    if bank.example.on_paper and bank.source != "digits":
        digits = bank.domain.to_tensor(_digits(bank.example.shape[-1]))
        kinds["digits"] = partial(_some_of, digits, shape[0] * shape[2], seed)
    return kinds


@cache
def _digits(image_size: int) -> Images:
    """All digits that scikit-learn ships."""
    source = SOURCES["digits"](Tasks(source="digits", image_size=image_size), 0, Path())
    return np.concatenate([source.render(index) for index in range(len(source.classes))])


def _episodes(
    bank: TaskBank, split: str, seed: int, shape: tuple[int, int, int], count: int, norm: str = "linf"
) -> Iterator[tuple[int, TaskTensors, dict[str, Tensor]]]:
    """The index of each episode, its task, and what is asked in it: its own queries and each kind of foreign ones."""
    stream, kinds = task_stream(bank, seed), foreign_queries(bank, split, seed, shape)
    for index in range(count):
        task = episode_task(stream, split, index, *shape, norm=norm)
        yield index, task, {OWN: task["query"], **{name: queries(index) for name, queries in kinds.items()}}


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
    labels: list[Tensor] = []
    found = defaultdict[str, list[Tensor]](list)
    for index, task, asked in _episodes(bank, split, seed, shape, episodes, norm):
        labels.append(task["query_labels"])
        answered = [_adapted(model, moved, asked) for moved in _supports(bank, task, members, seed, index)]
        for name in asked:
            found[name].append(torch.stack([of_member[name] for of_member in answered]))
    logits = {name: torch.stack(parts, 1) for name, parts in found.items()}
    return Answers(logits.pop(OWN), torch.stack(labels), logits)


class TrainClasses(NamedTuple):
    """Features (M, D) of all images of train classes, their labels (M,), and how they vary."""

    features: Tensor
    labels: Tensor
    prior: ClassPrior


def train_classes_of(model: FewShotClassifier, bank: TaskBank) -> TrainClasses | None:
    """As the network sees them; None where it gives no features that stay as they are."""
    learner = model.learner
    if not isinstance(learner, PrototypicalLearner) or model.is_transductive:
        return None
    features, labels = features_of_train_classes(learner, model.parameters, bank)
    return TrainClasses(features, labels, class_prior(features, labels))


class Posterior(NamedTuple):
    """By the posterior of each class's features: answers of one member, and how much likelier a query is in its
    likeliest class than in one that was never seen, as a logarithm, (E, Q) and of each kind of foreign ones (E, R)."""

    answers: Answers
    own: Tensor
    foreign: dict[str, Tensor]


def posterior_answers(
    model: FewShotClassifier,
    prior: ClassPrior,
    bank: TaskBank,
    split: str,
    seed: int,
    shape: tuple[int, int, int],
    episodes: int,
    widen: Widen | None = None,
) -> Posterior:
    """To the queries of the same episodes as `answers`; `widen` says how wide a class is beside its posterior, when it
    is told from the others: what is of none of them is told by the posterior as it is."""
    learner = model.learner
    assert isinstance(learner, PrototypicalLearner)
    labels: list[Tensor] = []
    logits, sure = defaultdict[str, list[Tensor]](list), defaultdict[str, list[Tensor]](list)
    for _, task, asked in _episodes(bank, split, seed, shape, episodes):
        labels.append(task["query_labels"])
        with torch.no_grad():
            chances = chances_in(learner, prior, model.parameters, task)
            widened = chances_in(learner, prior, model.parameters, task, widen) if widen else None
            for name, queries in asked.items():
                of_class, of_none = chances(queries)
                logits[name].append(widened(queries)[0] if widened else of_class)
                sure[name].append(of_class.amax(1) - of_none)
    every = {name: torch.stack(parts)[None] for name, parts in logits.items()}
    surest = {name: torch.stack(parts) for name, parts in sure.items()}
    return Posterior(Answers(every.pop(OWN), torch.stack(labels), every), surest.pop(OWN), surest)


def _adapted(model: FewShotClassifier, task: TaskTensors, asked: dict[str, Tensor]) -> dict[str, Tensor]:
    predict = model.predictor(task)
    with torch.no_grad():
        return {name: predict(queries) for name, queries in asked.items()}


def _supports(bank: TaskBank, task: TaskTensors, members: int, seed: int, index: int) -> list[TaskTensors]:
    generator = torch.Generator().manual_seed(1_000_003 * seed + index)
    moved = [bank.domain.move_at_random(task["support"], generator) for _ in range(members - 1)]
    return [{**task, "support": support} for support in (task["support"], *moved)]


def _queries_of_others(stream: TaskStream, split: str, shape: tuple[int, int, int], index: int) -> Tensor:
    """Of as many classes as the episode has, or of all that it leaves."""
    bank = stream.bank
    others = np.setdiff1d(bank.splits[split], stream.episode(split, index, *shape).class_indices)
    if not len(others):
        return torch.empty(0, *bank.example.shape)
    drawn = BankStream(bank, stream.seed, others).episode(split, index, min(shape[0], len(others)), *shape[1:])
    return drawn.query.flatten(0, 1)


def _some_of(examples: Tensor, count: int, seed: int, index: int) -> Tensor:
    generator = torch.Generator().manual_seed(1_000_003 * seed + index)
    return examples[torch.randperm(len(examples), generator=generator)[:count]]
