"""The use of samples to a classifier: the classification accuracy score (Ravuri and Vinyals 2019, arXiv 1905.10887).

A classifier is trained from scratch on the images at hand, and tested on real images that nothing has adapted to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metagan.domains import Domain
from metagan.evaluation.confidence import Estimate, mean_and_ci95
from metagan.evaluation.features import blank_where_diverged
from metagan.evaluation.from_scratch import Trial, accuracies
from metagan.evaluation.recognisability import N_WAY
from metagan.parameters import Evaluate
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task

Sampler = Callable[[Tensor, tuple[int, ...], int, int], Tensor]
"""(supports (T, K, C, H, W), steps, n, seed) -> samples (T, len(steps), n, C, H, W) in [0, 1]."""

TRAINING_SETS = ("support", "support_jitter", "as_many_samples", "samples", "support_samples_jitter")
"""K support images of each class, plain or jittered; K samples; many samples; support and samples, jittered."""


@dataclass(frozen=True)
class Group:
    """Classes that one classifier is to tell apart: support (N, K, C, H, W) and query (N, Q, C, H, W) in [0, 1].

    The query images may be of other numbers: N tensors (Q, C, H, W).
    """

    domain: Domain
    support: Tensor
    query: Tensor | Sequence[Tensor]
    seed: int

    def trial(self, parts: Sequence[Tensor], jitter: bool = False) -> Trial:
        """A classifier trained on parts (N, n, C, H, W), each of them real or made for the N classes in order."""
        labelled = [_labelled(part) for part in parts]
        return Trial(self.domain, labelled, _labelled(self.query), len(self.query), self.seed, jitter)


def use(bank: TaskBank, arms: Mapping[str, Sampler], step: int, settings: Evaluate, seed: int) -> dict[str, Any]:
    """Accuracy of classifiers on real images of unseen classes, by what they were trained on; ready for JSON.

    `by_shots`: for each K of `use.k_shots`, for each of TRAINING_SETS, a mean over `use.episodes` groups of 20 classes
    (or of all, if there are fewer), with samples of `adapted` after `step` steps; `gain` is what samples add to the
    jittered support images, a mean of paired differences. `by_step`: classifiers trained on samples alone, for each
    arm after each of `settings.steps`, adapted to `settings.k_shot` images.

    Raises:
        ValueError: a class has fewer images than the largest K and `settings.n_query`.
    """
    groups = _groups(bank, settings, seed)
    shots = settings.use.k_shots
    adapted = arms["adapted"]
    trials = [trial for group in groups for k in shots for trial in _by_shots(group, adapted, k, step, settings)]
    found = np.reshape(accuracies(trials, settings.judge_steps), (len(groups), len(shots), len(TRAINING_SETS)))
    by_shots = {
        str(k): {name: _estimate(found[:, row, column]) for column, name in enumerate(TRAINING_SETS)}
        | {"gain": _estimate(found[:, row, -1] - found[:, row, 1])}
        for row, k in enumerate(shots)
    }
    by_step = {}
    for name, sampler in arms.items():
        trials = [trial for group in groups for trial in _by_step(group, sampler, settings)]
        table = np.reshape(accuracies(trials, settings.judge_steps), (len(groups), len(settings.steps)))
        by_step[name] = [_estimate(column) for column in table.T]
    return {
        "n_way": len(groups[0].query),
        "episodes": len(groups),
        "samples_per_class": settings.use.samples,
        "step": step,
        "by_shots": by_shots,
        "by_step": by_step,
    }


def _groups(bank: TaskBank, settings: Evaluate, seed: int) -> list[Group]:
    """Groups of classes that follow each other in the stream of tasks, which has every class once in each round."""
    n_classes = len(bank.splits[settings.split])
    n_way, k_shot = min(N_WAY, n_classes), max(settings.use.k_shots)
    groups = []
    for number in range(settings.use.episodes):
        passes, place = divmod(number, n_classes // n_way)
        first = passes * n_classes + place * n_way
        tasks = [
            generation_task(bank, settings.split, seed, index, k_shot, settings.n_query)
            for index in range(first, first + n_way)
        ]
        support, query = (torch.stack([getattr(task, part) for task in tasks]) for part in ("support", "query"))
        groups.append(Group(bank.domain, support, query, seed + number))
    return groups


def _by_shots(group: Group, sampler: Sampler, k_shot: int, step: int, settings: Evaluate) -> list[Trial]:
    """One trial for each of TRAINING_SETS."""
    support = group.support[:, :k_shot]
    samples = stored_samples(group.domain, sampler, support, (step,), settings.use.samples, group.seed)[:, 0]
    return [
        group.trial([support]),
        group.trial([support], jitter=True),
        group.trial([samples[:, :k_shot]]),
        group.trial([samples]),
        group.trial([support, samples], jitter=True),
    ]


def _by_step(group: Group, sampler: Sampler, settings: Evaluate) -> list[Trial]:
    support = group.support[:, : settings.k_shot]
    samples = stored_samples(group.domain, sampler, support, settings.steps, settings.use.samples, group.seed)
    return [group.trial([samples[:, step]]) for step in range(len(settings.steps))]


def stored_samples(
    domain: Domain, sampler: Sampler, support: Tensor, steps: tuple[int, ...], n: int, seed: int
) -> Tensor:
    """Samples (T, len(steps), n, C, H, W) in [0, 1] as they would be stored, for support (T, K, C, H, W)."""
    samples = blank_where_diverged(sampler(support, steps, n, seed).detach().cpu())
    return domain.to_tensor(domain.to_stored(samples))


def _labelled(images: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """(n, C, H, W) of each of N classes as all of them, (N n, C, H, W), and labels (N n,)."""
    counts = torch.tensor([len(of_class) for of_class in images])
    return torch.cat(tuple(images)), torch.arange(len(images)).repeat_interleave(counts)


def _estimate(values: np.ndarray) -> Estimate:
    found = mean_and_ci95(values)
    return {"mean": round(found["mean"], 4), "ci95": round(found["ci95"], 4)}
