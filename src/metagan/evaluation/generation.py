"""The comparison of arms on unseen generation tasks, at every adaptation step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from metagan.errors import UserError
from metagan.evaluation.diversity import diversity
from metagan.evaluation.features import Embed, blank_where_diverged, diverged, embed_images
from metagan.evaluation.frechet import frechet_distance, frechet_joint_distance
from metagan.evaluation.kernel_distance import kernel_distance
from metagan.evaluation.memorisation import memorisation
from metagan.evaluation.prdc import prdc
from metagan.evaluation.recognisability import N_WAY, n_way_of, recognisability
from metagan.parameters import Evaluate
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import GenerationTask, generation_task, to_bytes

Sampler = Callable[[Tensor, tuple[int, ...], int, int], Tensor]
"""(supports (T, K, C, H, W), steps, n, seed) -> n samples per task after each number of steps (T, S, n, C, H, W)."""

Metrics = dict[str, float]

TASKS_AT_ONCE = 20


@dataclass(frozen=True)
class GenerationResult:
    """What the arms scored, and what the first tasks looked like.

    table: plain numbers, ready for JSON; values per adaptation step are lists, `copycat` and `real` have one value.
    pictures: uint8, support (P, K, C, H, W), real (P, Q, C, H, W) and one (P, S, Q, C, H, W) per arm that adapts.
    """

    table: dict[str, object]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class RealFeatures:
    """Features of the real images that every arm is measured against.

    supports (D, K, F) of D >= T tasks with class indices `classes` (D,); queries (T, Q, F) of the first T of them.
    """

    supports: np.ndarray
    queries: np.ndarray
    classes: np.ndarray


def evaluate_generation(
    bank: TaskBank,
    embed: Embed,
    arms: Mapping[str, Sampler],
    settings: Evaluate,
    seed: int,
    progress: bool = True,
    source: str | None = None,
) -> GenerationResult:
    """Measure `arms` (at least adapted and scratch), `copycat` and `real` on `settings.n_tasks` tasks of a split.

    `copycat` repeats the support images, `real` gives the query images as samples; all arms go through `arm_metrics`.
    Tasks pass in groups, so that only features are held for all of them. Arms get equal seeds, hence equal tasks,
    decisions and, where they draw noise alike, noise. Samples with NaN or infinite pixels count as black images, and
    their share is in the table under `diverged`.

    Raises:
        ValueError: the split has one class or none, a class has fewer than K + Q images, or the tasks hold too few
            images for a metric. All of it before the first arm adapts.
    """
    real = _embed_real(bank, embed, settings, seed)
    copies = real.supports[: settings.n_tasks, np.arange(settings.n_query) % settings.k_shot]
    # Before any arm adapts, which is what takes long: too few images for a metric show here.
    single = {
        name: arm_metrics(made, real, settings, seed) for name, made in (("copycat", copies), ("real", real.queries))
    }

    adapted = _adapt(bank, embed, arms, settings, seed, progress)
    per_step = {
        name: [arm_metrics(samples, real, settings, seed) for samples in steps]
        for name, steps in adapted.features.items()
    }
    table = {
        "source": bank.source if source is None else source,
        "split": settings.split,
        "n_tasks": settings.n_tasks,
        "n_classes": len(np.unique(real.classes[: settings.n_tasks])),
        "k_shot": settings.k_shot,
        "n_query": settings.n_query,
        "n_way": n_way_of(real.classes),
        "steps": list(settings.steps),
        "arms": {
            **{name: {key: [_rounded(m[key]) for m in steps] for key in steps[0]} for name, steps in per_step.items()},
            **{name: {key: _rounded(value) for key, value in metrics.items()} for name, metrics in single.items()},
        },
        "gap_closed": [
            _rounded(gap_closed(scratch["fjd"], ours["fjd"], single["real"]["fjd"]))
            for scratch, ours in zip(per_step["scratch"], per_step["adapted"], strict=True)
        ],
        "diverged": {name: [_rounded(share) for share in shares] for name, shares in adapted.diverged.items()},
    }
    return GenerationResult(table, adapted.pictures)


def arm_metrics(samples: np.ndarray, real: RealFeatures, settings: Evaluate, seed: int) -> Metrics:
    """All metrics of the sample features (T, Q, F) of one arm at one step, pooled over the tasks.

    Distances and PRDC are means over two folds: the first half of each task's samples against the second half of its
    query images, then the other way round (of an odd Q the last of both is left out). So all samples count, the sets
    are equally large, and `real`, whose samples are the query images, meets only other images, at the sizes and hence
    the finite-sample bias of every other arm. (With fewer classes than tasks the halves of different tasks overlap.)

    Raises:
        ValueError: too few samples for a metric.
    """
    half = settings.n_query // 2
    if half == 0:
        raise UserError(f"evaluate.n_query must be at least 2, not {settings.n_query}: distances compare two halves")
    first, second = slice(0, half), slice(half, 2 * half)
    conditions = np.repeat(real.supports[: settings.n_tasks].mean(axis=1), half, axis=0)
    folds = [
        _distribution_metrics(
            np.concatenate(samples[:, own]), np.concatenate(real.queries[:, other]), conditions, settings, seed
        )
        for own, other in ((first, second), (second, first))
    ]
    return {key: (folds[0][key] + folds[1][key]) / 2 for key in folds[0]} | {
        "recognisability": recognisability(samples, real.supports, real.classes, seed),
        "diversity": diversity(samples, real.queries),
        "memorisation": memorisation(samples, real.supports[: settings.n_tasks], real.queries, seed),
    }


def gap_closed(scratch: float, adapted: float, real: float) -> float:
    """Share of the distance between `scratch` and `real` that `adapted` has left behind; 0 where there is no gap."""
    return (scratch - adapted) / (scratch - real) if scratch > real else 0.0


@dataclass(frozen=True)
class _Adapted:
    """Of each arm: features (S, T, Q, F) of its samples, the share of diverged samples per step, pictures."""

    features: dict[str, np.ndarray]
    diverged: dict[str, list[float]]
    pictures: dict[str, np.ndarray]


def _adapt(
    bank: TaskBank, embed: Embed, arms: Mapping[str, Sampler], settings: Evaluate, seed: int, progress: bool
) -> _Adapted:
    """Run every arm on every task, group by group."""
    features: dict[str, list[np.ndarray]] = {name: [] for name in arms}
    failures: dict[str, list[Tensor]] = {name: [] for name in arms}
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in ("support", "real", *arms)}
    with tqdm(total=settings.n_tasks * len(arms), desc="adapting", unit="task", disable=not progress) as bar:
        for group in _groups(settings.n_tasks):
            tasks = _draw(bank, settings, seed, group)
            supports = torch.stack([task.support for task in tasks])
            shown = max(0, settings.picture_classes - group.start)
            pictures["support"].append(to_bytes(supports[:shown]))
            pictures["real"].append(to_bytes(torch.stack([task.query for task in tasks])[:shown]))
            for name, sampler in arms.items():
                samples = sampler(supports, settings.steps, settings.n_query, _group_seed(seed, group)).detach().cpu()
                failures[name].append(diverged(samples))
                samples = blank_where_diverged(samples)
                features[name].append(embed_images(embed, samples))
                pictures[name].append(to_bytes(samples[:shown]))
                bar.update(len(tasks))
    return _Adapted(
        {name: np.concatenate(groups).swapaxes(0, 1) for name, groups in features.items()},
        {name: torch.cat(groups).double().mean(dim=(0, 2)).tolist() for name, groups in failures.items()},
        {name: np.concatenate(groups) for name, groups in pictures.items()},
    )


def _distribution_metrics(
    samples: np.ndarray, real: np.ndarray, conditions: np.ndarray, settings: Evaluate, seed: int
) -> Metrics:
    return {
        "fid": frechet_distance(samples, real),
        "fjd": frechet_joint_distance(samples, real, conditions, settings.joint_condition_weight),
        "kid": kernel_distance(samples, real, seed),
        **prdc(samples, real, settings.nearest_neighbours),
    }


def _draw(bank: TaskBank, settings: Evaluate, seed: int, indices: range) -> list[GenerationTask]:
    return [generation_task(bank, settings.split, seed, index, settings.k_shot, settings.n_query) for index in indices]


def _embed_real(bank: TaskBank, embed: Embed, settings: Evaluate, seed: int) -> RealFeatures:
    """Beyond the tasks to evaluate come as many more support sets as a 20-way decision needs."""
    supports: list[np.ndarray] = []
    queries: list[np.ndarray] = []
    classes: list[int] = []
    for group in _groups(max(settings.n_tasks, N_WAY)):
        tasks = _draw(bank, settings, seed, group)
        supports.append(embed_images(embed, torch.stack([task.support for task in tasks])))
        queries.append(embed_images(embed, torch.stack([task.query for task in tasks])))
        classes.extend(task.class_index for task in tasks)
    return RealFeatures(np.concatenate(supports), np.concatenate(queries)[: settings.n_tasks], np.array(classes))


def _groups(n_tasks: int) -> list[range]:
    return [range(start, min(start + TASKS_AT_ONCE, n_tasks)) for start in range(0, n_tasks, TASKS_AT_ONCE)]


def _group_seed(seed: int, group: range) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(group.start,)).generate_state(1)[0])


def _rounded(value: float) -> float:
    """Five significant digits: more would only record noise."""
    return float(f"{value:.5g}")
