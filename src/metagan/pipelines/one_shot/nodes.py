"""Nodes that measure published one-shot protocols on Omniglot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metagan.errors import UserError
from metagan.evaluation.augmentation import augmentation
from metagan.evaluation.plane import Critics, plane
from metagan.evaluation.use import Sampler
from metagan.identity import together
from metagan.parameters import MetaTrain, OneShot, Tasks
from metagan.reporting.plane import plane_figure, plane_grid
from metagan.tasks.bank import BankPlan, TaskBank, plan_bank
from metagan.tasks.binarised import binarised
from metagan.tasks.sources.base import ClassRecord
from metagan.tasks.sources.omniglot import FIRST_CHARACTERS
from metagan.training import contrastive, embedder
from metagan.training.arms import make_sampler
from metagan.training.embedder import load_embedder
from metagan.training.gan import architecture_of, load_gan
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel
from metagan.training.trajectories import sampling_map


def plan_large_bank(
    bank: TaskBank,
    meta_model: SavedModel[GanHeader],
    tasks: dict[str, Any],
    one_shot: dict[str, Any],
    seed: int,
    raw_folder: Path,
) -> BankPlan:
    """The drawings of the bank's classes in black and white at the size of the critics.

    What the later nodes would refuse is refused here, before the critics are trained.
    """
    settings, wanted = OneShot.model_validate(one_shot), Tasks.model_validate(tasks)
    settings.check_tasks(wanted)
    for k_shot in settings.plane.k_shots:
        meta_model.header.check_shots("one_shot.plane.k_shots", k_shot)
    together("one_shot", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    plan = plan_bank(wanted.model_copy(update={"image_size": settings.image_size}), seed, raw_folder)
    _check_classes(bank, plan.source.classes)
    return replace(plan, source=binarised(plan.source))


def train_recognition_critic(large: TaskBank, one_shot: dict[str, Any], seed: int) -> SavedModel[EmbedderHeader]:
    """The prototypical embedder that says for which class a sample was made."""
    return embedder.train_embedder(large, OneShot.model_validate(one_shot).recognition, seed)


def train_diversity_critic(large: TaskBank, one_shot: dict[str, Any], seed: int) -> SavedModel[EmbedderHeader]:
    """The contrastive embedder that says how far samples are apart."""
    return contrastive.train_contrast(large, OneShot.model_validate(one_shot).contrast, seed)


def measure_plane(
    bank: TaskBank,
    large: TaskBank,
    recognition_critic: SavedModel[EmbedderHeader],
    diversity_critic: SavedModel[EmbedderHeader],
    meta_model: SavedModel[GanHeader],
    one_shot: dict[str, Any],
    meta_train: dict[str, Any],
    seed: int,
) -> tuple[dict[str, Any], Image.Image]:
    """The coordinates of people, the model and what is known on the paper's characters, and samples of some."""
    _check_classes(bank, large.classes)
    critics = together(
        "measure_plane",
        task_bank=large.identity,
        recognition_critic=recognition_critic.identity("recognition_critic"),
        diversity_critic=diversity_critic.identity("diversity_critic"),
    )
    origin = together("measure_plane", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    named = [bank.classes[index].name.rpartition("/")[2] for index in bank.splits["test"]]
    table, drawings = plane(
        bank,
        large,
        bank.splits["test"][np.isin(named, FIRST_CHARACTERS)],
        Critics(load_embedder(recognition_critic, large), load_embedder(diversity_critic, large)),
        _sampler(bank, meta_model, meta_train),
        OneShot.model_validate(one_shot),
        seed,
    )
    made_from = {**critics, "large_task_bank": large.content_hash, **origin}
    return {**table, "made_from": made_from}, plane_grid(large.example, drawings)


def draw_plane(plane: dict[str, Any]) -> Image.Image:
    """The plane with what is published."""
    return plane_figure(plane)


def measure_augmentation(
    bank: TaskBank,
    meta_model: SavedModel[GanHeader],
    one_shot: dict[str, Any],
    meta_train: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """What samples add to few real images of unseen classes."""
    settings, most = OneShot.model_validate(one_shot), meta_model.header.shots.most
    origin = together("measure_augmentation", task_bank=bank.identity, meta_model=meta_model.identity("meta_model"))
    table = augmentation(bank, _sampler(bank, meta_model, meta_train), most, settings, seed)
    return {**table, "made_from": origin}


def metrics(plane: dict[str, Any], augmentation_protocol: dict[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The tables as MLflow metrics `plane/<arm>/<coordinate>` and `augmentation/<arm>`, by real images as step."""
    found = {
        f"plane/{arm}/{name}": [{"value": point[name]["mean"], "step": 0}]
        for arm, point in plane["points"].items()
        for name in ("diversity", "recognisability")
    }
    for n_real, row in augmentation_protocol["real_images"].items():
        for arm, estimate in row.items():
            found.setdefault(f"augmentation/{arm}", []).append({"value": estimate["mean"], "step": int(n_real)})
    return found


def _sampler(bank: TaskBank, meta_model: SavedModel[GanHeader], meta_train: dict[str, Any]) -> Sampler:
    training = MetaTrain.model_validate(meta_train)
    gan = load_gan(meta_model, "meta_model", architecture_of(bank, training))
    return make_sampler(sampling_map(gan, training), gan)


def _check_classes(bank: TaskBank, classes: tuple[ClassRecord, ...]) -> None:
    if bank.classes != classes:
        raise UserError(
            "one_shot: the task bank has other classes or another split than tasks.omniglot.split says with this seed: "
            "give the split of the bank, or run the pipelines tasks, embedder and meta_train again"
        )
