"""The comparison of arms on unseen generation tasks, at every adaptation step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from metagan.domains import Domain
from metagan.errors import UserError
from metagan.evaluation.diversity import diversity
from metagan.evaluation.features import Embed, blank_where_diverged, diverged, embed_images
from metagan.evaluation.frechet import frechet_distance, frechet_joint_distance
from metagan.evaluation.kernel_distance import kernel_distance
from metagan.evaluation.memorisation import memorisation
from metagan.evaluation.prdc import prdc
from metagan.evaluation.recognisability import N_WAY, n_way_of, recognisability
from metagan.evaluation.two_sample import null_interval, two_sample_on_features, two_sample_on_pixels
from metagan.evaluation.use import Sampler, use
from metagan.parameters import Evaluate
from metagan.parameters.evaluate import headline_step
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import GenerationTask, generation_task

Metrics = dict[str, float]

TASKS_AT_ONCE = 20


@dataclass(frozen=True)
class GenerationResult:
    """What the arms scored, and what the first tasks looked like.

    table: plain numbers, ready for JSON; values per adaptation step are lists, arms that do not adapt have one value.
    pictures: as stored, support (P, K, *shape), real (P, Q, *shape) and one (P, S, Q, *shape) per arm that adapts.
    """

    table: dict[str, object]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class EmbeddedImages:
    """Images made for T tasks, or their real query images, and what the embedders see in them.

    pixels: as stored, (T, n, *shape). features (T, n, F) are the evaluation's, judged (T, n, G) the two-sample test's.
    """

    pixels: np.ndarray
    features: np.ndarray
    judged: np.ndarray

    def part(self, of_each_task: slice | np.ndarray) -> EmbeddedImages:
        """Some of the images of each task."""
        return EmbeddedImages(
            self.pixels[:, of_each_task], self.features[:, of_each_task], self.judged[:, of_each_task]
        )


@dataclass(frozen=True)
class RealImages:
    """The real images that every arm is measured against.

    support (T, K, ...) and query (T, Q, ...) images of the tasks, whose class indices are the first T of `classes`
    (D,), D >= T; alternatives (D, Q, F): features of the query images of all D tasks.
    """

    domain: Domain
    support: EmbeddedImages
    query: EmbeddedImages
    alternatives: np.ndarray
    classes: np.ndarray

    @property
    def task_classes(self) -> np.ndarray:
        return self.classes[: len(self.query.features)]


def evaluate_generation(
    bank: TaskBank,
    embed: Embed,
    judge: Embed,
    arms: Mapping[str, Sampler],
    settings: Evaluate,
    seed: int,
    progress: bool = True,
    source: str | None = None,
) -> GenerationResult:
    """Measure `arms` (at least adapted and scratch) and those of `without_adaptation` on `settings.n_tasks` tasks of a
    split. All arms go through `arm_metrics`.

    `embed` gives the features of all metrics but the two-sample test, which has those of `judge`. Tasks pass in groups.
    Arms get equal seeds, hence equal tasks, decisions and, where they draw noise alike, noise. Samples with NaN or
    infinite pixels count as black images, and their share is in the table under `diverged`.

    Raises:
        ValueError: the split has one class or none, a class has fewer than K + Q images, or the tasks hold too few
            images for a metric. All of it before the first arm adapts.
    """
    real = reference(bank, embed, judge, settings, seed)
    # Before any arm adapts, which is what takes long: too few images for a metric show here.
    single = without_adaptation(real, embed, judge, settings, seed)
    images, failures = _adapt(bank, embed, judge, arms, settings, seed, progress)

    per_step = {name: [all_metrics(made, real, settings, seed) for made in steps] for name, steps in images.items()}
    usefulness = use(bank, arms, headline_step(settings.steps), settings, seed)
    return GenerationResult(
        {
            "source": bank.source if source is None else source,
            "example": bank.example.model_dump(mode="json"),
            "split": settings.split,
            "n_tasks": settings.n_tasks,
            "n_classes": len(np.unique(real.task_classes)),
            "k_shot": settings.k_shot,
            "n_query": settings.n_query,
            "n_way": n_way_of(real.classes),
            "steps": list(settings.steps),
            "arms": _tables(per_step, single, usefulness, settings.k_shot),
            "two_sample_null": list(null_interval(real.task_classes, settings.n_query)),
            "use": usefulness,
            "gap_closed": _gaps(per_step, single["real"]["fjd"]),
            "diverged": {name: [_rounded(share) for share in shares] for name, shares in failures.items()},
        },
        _pictures(real, images, slice(settings.picture_classes)),
    )


def _pictures(real: RealImages, images: Mapping[str, Sequence[EmbeddedImages]], shown: slice) -> dict[str, np.ndarray]:
    """Of the first tasks."""
    samples = {name: np.stack([made.pixels[shown] for made in steps], axis=1) for name, steps in images.items()}
    return {"support": real.support.pixels[shown], "real": real.query.pixels[shown]} | samples


def _gaps(per_step: Mapping[str, Sequence[Metrics]], real: float) -> list[float]:
    """The gap closed by `adapted` after each step."""
    pairs = zip(per_step["scratch"], per_step["adapted"], strict=True)
    return [_rounded(gap_closed(scratch["fjd"], adapted["fjd"], real)) for scratch, adapted in pairs]


def _tables(
    per_step: Mapping[str, Sequence[Metrics]],
    single: Mapping[str, Metrics],
    usefulness: Mapping[str, Any],
    k_shot: int,
) -> dict[str, dict[str, Any]]:
    """For each arm its metrics: a list by step, or one number of an arm that does not adapt."""
    tables: dict[str, dict[str, Any]] = {
        name: {key: [_rounded(metrics[key]) for metrics in steps] for key in steps[0]}
        for name, steps in per_step.items()
    }
    tables |= {name: {key: _rounded(value) for key, value in metrics.items()} for name, metrics in single.items()}
    for name, estimates in usefulness["by_step"].items():
        tables[name]["use"] = [estimate["mean"] for estimate in estimates]
    # What they give a classifier: the support images, or those jittered.
    for name in single:
        given = "support_jitter" if name == "jittered" else "support"
        tables[name]["use"] = usefulness["by_shots"][str(k_shot)][given]["mean"]
    return tables


def all_metrics(made: EmbeddedImages, real: RealImages, settings: Evaluate, seed: int) -> Metrics:
    """`arm_metrics` and the two-sample test against the query images."""
    return arm_metrics(made, real, settings, seed) | _two_sample(made, real.query, real, settings, seed)


def arm_metrics(made: EmbeddedImages, real: RealImages, settings: Evaluate, seed: int) -> Metrics:
    """All metrics of one arm at one step but the two-sample test, pooled over the tasks; but for those of the domain
    on the evaluation's features.

    Distances, PRDC and recognisability are means over two folds: the first half of each task's samples against the
    second half of its query images, then the other way round (of an odd Q the last of both is left out). So all samples
    count, the sets are equally large, and `real`, whose samples are the query images, meets only other images, at the
    sizes and hence the finite-sample bias of every other arm. Nothing has adapted to the images of either half, so
    that copies of the support set are recognised no better than other real images. (With fewer classes than tasks the
    halves of different tasks overlap.)

    Raises:
        ValueError: too few samples for a metric.
    """
    half = settings.n_query // 2
    if half == 0:
        raise UserError(f"evaluate.n_query must be at least 2, not {settings.n_query}: distances compare two halves")
    first, second = slice(0, half), slice(half, 2 * half)
    samples, supports, queries = made.features, real.support.features, real.query.features
    conditions = np.repeat(supports.mean(axis=1), half, axis=0)
    folds = [
        _distribution_metrics(
            np.concatenate(samples[:, own]), np.concatenate(queries[:, other]), conditions, settings, seed
        )
        | {"recognisability": recognisability(samples[:, own], real.alternatives[:, other], real.classes, seed)}
        for own, other in ((first, second), (second, first))
    ]
    return {key: (folds[0][key] + folds[1][key]) / 2 for key in folds[0]} | {
        "diversity": diversity(samples, queries),
        "memorisation": memorisation(samples, supports, queries, seed),
        **real.domain.measures(made.pixels, real.support.pixels, real.query.pixels),
    }


def gap_closed(scratch: float, adapted: float, real: float) -> float:
    """Share of the distance between `scratch` and `real` that `adapted` has left behind; 0 where there is no gap."""
    return (scratch - adapted) / (scratch - real) if scratch > real else 0.0


def without_adaptation(
    real: RealImages, embed: Embed, judge: Embed, settings: Evaluate, seed: int
) -> dict[str, Metrics]:
    """The metrics of `copycat`, which repeats the support images, of `jittered`, which moves those at random as the
    domain does, and of `real`, whose samples are the query images."""
    copies = real.support.part(np.arange(settings.n_query) % settings.k_shot)
    images = real.domain.to_tensor(copies.pixels)
    moved = real.domain.move_at_random(images.flatten(0, 1), torch.Generator().manual_seed(seed))
    jittered = seen(real.domain, moved.unflatten(0, images.shape[:2]), embed, judge)
    return {
        "jittered": all_metrics(jittered, real, settings, seed),
        "copycat": all_metrics(copies, real, settings, seed),
        "real": real_metrics(real, settings, seed),
    }


def real_metrics(real: RealImages, settings: Evaluate, seed: int) -> Metrics:
    """The metrics of the query images; for the two-sample test one half of them is called made."""
    half = settings.n_query // 2
    first, second = real.query.part(slice(0, half)), real.query.part(slice(half, 2 * half))
    return arm_metrics(real.query, real, settings, seed) | _two_sample(first, second, real, settings, seed)


def _two_sample(
    made: EmbeddedImages, query: EmbeddedImages, real: RealImages, settings: Evaluate, seed: int
) -> Metrics:
    pixels = (real.domain.to_tensor(images.pixels) for images in (made, query))
    on_pixels = two_sample_on_pixels(real.domain, *pixels, real.task_classes, settings.judge_steps, seed)
    return on_pixels | two_sample_on_features(made.judged, query.judged, real.task_classes, seed)


def _adapt(
    bank: TaskBank,
    embed: Embed,
    judge: Embed,
    arms: Mapping[str, Sampler],
    settings: Evaluate,
    seed: int,
    progress: bool,
) -> tuple[dict[str, list[EmbeddedImages]], dict[str, list[float]]]:
    """Run every arm on every task, group by group: its images after each of the steps, and the share that diverged."""
    groups: dict[str, list[EmbeddedImages]] = {name: [] for name in arms}
    failures: dict[str, list[Tensor]] = {name: [] for name in arms}
    with tqdm(total=settings.n_tasks * len(arms), desc="adapting", unit="task", disable=not progress) as bar:
        for group in _groups(settings.n_tasks):
            tasks = _draw(bank, settings, seed, group)
            supports = torch.stack([task.support for task in tasks])
            for name, sampler in arms.items():
                samples = sampler(supports, settings.steps, settings.n_query, _group_seed(seed, group)).detach().cpu()
                failures[name].append(diverged(samples))
                groups[name].append(seen(bank.domain, blank_where_diverged(samples), embed, judge))
                bar.update(len(tasks))
    images = {name: _joined(parts) for name, parts in groups.items()}
    return (
        {
            name: [
                EmbeddedImages(all.pixels[:, i], all.features[:, i], all.judged[:, i])
                for i in range(len(settings.steps))
            ]
            for name, all in images.items()
        },
        {name: torch.cat(parts).double().mean(dim=(0, 2)).tolist() for name, parts in failures.items()},
    )


def seen(domain: Domain, images: Tensor, embed: Embed, judge: Embed) -> EmbeddedImages:
    """Images (T, n, C, H, W) in [0, 1] as the metrics take them."""
    return EmbeddedImages(domain.to_stored(images), embed_images(embed, images), embed_images(judge, images))


def _joined(parts: list[EmbeddedImages]) -> EmbeddedImages:
    names = ("pixels", "features", "judged")
    return EmbeddedImages(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


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


def reference(bank: TaskBank, embed: Embed, judge: Embed, settings: Evaluate, seed: int) -> RealImages:
    """The real images of `settings.n_tasks` tasks.

    Beyond the tasks to evaluate come the query images of as many more as a 20-way decision needs.
    """
    support: list[EmbeddedImages] = []
    query: list[EmbeddedImages] = []
    classes: list[int] = []
    for group in _groups(max(settings.n_tasks, N_WAY)):
        tasks = _draw(bank, settings, seed, group)
        support.append(seen(bank.domain, torch.stack([task.support for task in tasks]), embed, judge))
        query.append(seen(bank.domain, torch.stack([task.query for task in tasks]), embed, judge))
        classes.extend(task.class_index for task in tasks)
    supports, queries = _joined(support), _joined(query)
    count = settings.n_tasks
    of_tasks = (
        EmbeddedImages(images.pixels[:count], images.features[:count], images.judged[:count])
        for images in (supports, queries)
    )
    return RealImages(bank.domain, *of_tasks, alternatives=queries.features, classes=np.array(classes))


def _groups(n_tasks: int) -> list[range]:
    return [range(start, min(start + TASKS_AT_ONCE, n_tasks)) for start in range(0, n_tasks, TASKS_AT_ONCE)]


def _group_seed(seed: int, group: range) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=(group.start,)).generate_state(1)[0])


def _rounded(value: float) -> float:
    """Five significant digits: more would only record noise."""
    return float(f"{value:.5g}")
