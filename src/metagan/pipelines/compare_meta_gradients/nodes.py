"""Nodes that train several meta-gradients for the same time, each in a nested MLflow run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from metagan.evaluation.validation import validation_metrics
from metagan.io.tracking import OpenRun, nested_runs, run_logger
from metagan.parameters import CompareMetaGradients, Evaluate, MetaTrain, Networks, Trainer, merged
from metagan.reporting.figures import picture_steps, sample_grid
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training import meta_training
from metagan.training.arms import make_sampler
from metagan.training.data import generation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.gan import load_gan
from metagan.training.outer_loop import Row
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel
from metagan.training.side_by_side import side_by_side
from metagan.training.trajectories import sampling_map

PICTURE_CLASSES, PICTURE_SAMPLES = 6, 3


def compare(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    meta_train: dict[str, Any],
    comparison: dict[str, Any],
    evaluate: dict[str, Any],
    trainer: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[pd.DataFrame, Image.Image]:
    """A row for each arm and adaptation step on the same unseen tasks, and samples of each arm after each step."""
    settings, evaluation = CompareMetaGradients.model_validate(comparison), Evaluate.model_validate(evaluate)
    embed = load_embedder(evaluation_embedder, bank)
    shape = (evaluation.k_shot, evaluation.n_query, 1, Networks())
    tasks, classes = generation_tasks(task_stream(bank, seed), evaluation.split, range(evaluation.n_tasks), *shape)
    drawn = [evaluation.steps.index(step) for step in picture_steps(evaluation.steps) if step > 0]
    rows, pictures = [], [_picture(tasks["support"][:, None])]
    trainings = {
        arm: MetaTrain.model_validate(merged(merged(meta_train, changes), settings.budget))
        for arm, changes in settings.arms.items()
    }

    def train(open_run: OpenRun, settings: MetaTrain) -> tuple[SavedModel[GanHeader], list[Row]]:
        with open_run():
            return meta_training.meta_train(
                bank,
                evaluation_embedder,
                objective_embedder,
                settings,
                Trainer.model_validate(trainer),
                seed,
                checkpoint_folder / "meta_model",
                run_logger("meta_train"),
            )

    with nested_runs(list(trainings)) as runs:
        arms = [partial(train, *arm) for arm in zip(runs, trainings.values(), strict=True)]
        trained = side_by_side(arms, settings.side_by_side)
    for (arm, training), (model, history) in zip(trainings.items(), trained, strict=True):
        gan = load_gan(model, "meta_model")
        sampler = make_sampler(sampling_map(gan, training), gan)
        samples = sampler(tasks["support"], evaluation.steps, evaluation.n_query, seed)
        values = validation_metrics(embed, samples, tasks["support"], tasks["query"], np.array(classes), seed)
        rows += _rows(arm, evaluation.steps, values, history, model.header.provenance.seconds)
        pictures.append(_picture(samples[:, drawn]))
    return pd.DataFrame(rows), sample_grid(bank.example, torch.cat(pictures, 1))


def _rows(
    arm: str, steps: Sequence[int], values: Mapping[str, Sequence[float]], history: Sequence[Row], seconds: float
) -> list[dict[str, Any]]:
    """A row for each adaptation step."""
    training = {name: history[-1][name] for name in ("meta_step", "skipped", "retreats")}
    training = {"meta_steps": training.pop("meta_step"), **training, "seconds": round(seconds, 1)}
    return [
        {"arm": arm, "step": step, **{metric: column[index] for metric, column in values.items()}, **training}
        for index, step in enumerate(steps)
    ]


def _picture(samples: Tensor) -> Tensor:
    """(T, S, n, C, H, W) in [0, 1] -> the first classes, for each step the first samples side by side."""
    return samples[:PICTURE_CLASSES, :, :PICTURE_SAMPLES].nan_to_num().flatten(1, 2)
