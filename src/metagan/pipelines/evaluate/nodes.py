"""Nodes that measure all arms on classes that no training has seen."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from metagan.evaluation.generation import evaluate_generation
from metagan.evaluation.use import Sampler
from metagan.identity import as_array, made_from, together
from metagan.parameters import Evaluate, MetaTrain
from metagan.parameters.evaluate import headline_step
from metagan.reporting.measures import TRAINED_ARMS
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task
from metagan.training.arms import build_samplers
from metagan.training.embedder import load_embedder
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel

LEADING = ("two_sample", "two_sample_binarised", "use")


def evaluate(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    judge_embedder: SavedModel[EmbedderHeader],
    embedder_metrics: dict[str, Any],
    meta_model: SavedModel[GanHeader],
    joint_gan: SavedModel[GanHeader],
    evaluate: dict[str, Any],
    meta_train: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], dict[str, NDArray[np.generic]]]:
    """The table of arms and metrics, and pictures of the first tasks."""
    origin = together(
        "evaluate",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        judge_embedder=judge_embedder.identity("judge_embedder"),
        embedder_metrics=made_from("embedder_metrics", embedder_metrics),
        meta_model=meta_model.identity("meta_model"),
        joint_gan=joint_gan.identity("joint_gan"),
    )
    settings, training = Evaluate.model_validate(evaluate), MetaTrain.model_validate(meta_train)
    for k_shot in settings.use.k_shots:
        meta_model.header.check_shots("evaluate.use.k_shots", k_shot)
    embed, judge = (load_embedder(saved, bank) for saved in (evaluation_embedder, judge_embedder))
    samplers, rates = build_samplers(bank, embed, meta_model, joint_gan, training, settings, seed)
    result = evaluate_generation(bank, embed, judge, samplers, settings, seed, progress=True, source=bank.source)
    generation = {
        **result.table,
        "made_from": origin,
        "embedder": embedder_metrics["evaluation"],
        "temperature": meta_model.header.temperature._asdict(),
        "learning_rates": {"tried": sorted(settings.baseline_learning_rates), "best": rates},
        "seconds": {
            "meta_train": meta_model.header.provenance.seconds,
            "joint_gan": joint_gan.header.provenance.seconds,
            "adapt_one_task": seconds_to_adapt(bank, samplers["adapted"], settings, training.inner.steps, seed),
        },
    }
    return generation, result.pictures | as_array(origin)


def seconds_to_adapt(bank: TaskBank, sampler: Sampler, settings: Evaluate, steps: int, seed: int) -> float:
    """Median time of three to adapt to one unseen task by `steps` steps and draw one sample."""
    task = generation_task(bank, settings.split, seed, 0, settings.k_shot, settings.n_query)
    supports = torch.as_tensor(task.support)[None]

    def measure() -> float:
        started = perf_counter()
        sampler(supports, (steps,), 1, seed)
        return perf_counter() - started

    return median(measure() for _ in range(3))


def by_step(generation: dict[str, Any]) -> pd.DataFrame:
    """The trained arms as a table that DVC can plot: a row for each adaptation step, columns `<arm>/<metric>`."""
    arms = {arm.name: generation["arms"][arm.name] for arm in TRAINED_ARMS}
    curves = {f"{arm}/{metric}": values for arm, table in arms.items() for metric, values in table.items()}
    return pd.DataFrame({"step": generation["steps"], "gap_closed": generation["gap_closed"], **curves})


def summarise(generation: dict[str, Any]) -> dict[str, float | None]:
    """The headline numbers of the adapted arm, for DVC to compare."""
    step = headline_step(generation["steps"])
    at = generation["steps"].index(step)
    adapted = {metric: values[at] for metric, values in generation["arms"]["adapted"].items()}
    leading = {metric: adapted[metric] for metric in LEADING}
    distances = {
        "fjd_ratio": adapted["fjd"] / generation["arms"]["real"]["fjd"] if generation["arms"]["real"]["fjd"] else None,
        "gap_closed": generation["gap_closed"][at],
    }
    return {"step": step, **leading, **_use_metrics(generation), **adapted, **distances}


def _use_metrics(generation: dict[str, Any]) -> dict[str, float]:
    """Accuracy of classifiers by what they were trained on: `use/<K>_shot/<training set>`."""
    return {
        f"use/{k_shot}_shot/{name}": estimate["mean"]
        for k_shot, estimates in generation["use"]["by_shots"].items()
        for name, estimate in estimates.items()
    }


def metrics(generation: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The table as MLflow metrics: `<arm>/<metric>` and `gap_closed` by adaptation step, the rest single values."""
    curves = {
        f"{arm}/{metric}": values for arm, table in generation["arms"].items() for metric, values in table.items()
    } | {"gap_closed": generation["gap_closed"]}
    single = _use_metrics(generation) | {
        f"{section}/{name}": value for section in ("embedder", "seconds") for name, value in generation[section].items()
    }
    return {
        name: [
            {"value": value, "step": step}
            for value, step in zip(values, generation["steps"], strict=True)
            if value is not None
        ]
        if isinstance(values, list)
        else [{"value": values, "step": 0}]
        for name, values in (curves | single).items()
        if values is not None
    }
