"""Nodes that train the meta-model and the joint GAN it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metagan.identity import history_of, together
from metagan.io.registry import Candidate
from metagan.io.tracking import grid_logger, run_logger
from metagan.parameters import MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training import joint_training, meta_training
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel


def meta_train(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
    trainer: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[SavedModel[GanHeader], pd.DataFrame]:
    """Meta-train the GAN; the evaluation embedder only selects checkpoints on the val classes."""
    logger = run_logger("meta_train")
    meta_model, history = meta_training.meta_train(
        bank,
        evaluation_embedder,
        objective_embedder,
        MetaTrain.model_validate(settings),
        Trainer.model_validate(trainer),
        seed,
        checkpoint_folder / "meta_model",
        logger,
        grid_logger(logger, bank.example),
    )
    return meta_model, pd.DataFrame(history).assign(weights=meta_model.content_hash)


def train_joint_gan(
    bank: TaskBank, settings: dict[str, Any], trainer: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[SavedModel[GanHeader], pd.DataFrame]:
    """Train an ordinary GAN on all train classes."""
    joint_gan, history = joint_training.train_joint_gan(
        bank,
        MetaTrain.model_validate(settings),
        Trainer.model_validate(trainer),
        seed,
        checkpoint_folder / "joint_gan",
        run_logger("joint_gan"),
    )
    return joint_gan, pd.DataFrame(history).assign(weights=joint_gan.content_hash)


def meta_model_candidate(
    meta_model: SavedModel[GanHeader],
    history: pd.DataFrame,
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    settings: dict[str, Any],
) -> Candidate:
    """The meta-model for the registry; its score is that of the weights that were kept.

    Not `val/score`, which is relative to a scratch of the same recipe.
    """
    together(
        "register_meta_model",
        meta_model=meta_model.identity("meta_model"),
        training_history=history_of("meta_model", history["weights"]),
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
    )
    trained, header = MetaTrain.model_validate(settings), meta_model.header
    kept = history[history["meta_step"] == header.provenance.meta_step].iloc[-1]
    embedder = evaluation_embedder.content_hash
    names = bank.domain.names
    after = ", ".join(map(str, trained.validation_steps))
    return Candidate(
        name=f"metagan-{bank.source}-{bank.example.shape[-1]}-meta-model",
        model=meta_model,
        score=-float(np.mean([kept[f"val/fjd_{step}"] for step in trained.validation_steps])),
        scored_on=f"minus the mean FJD after {after} steps, {trained.validation_tasks} val tasks of {trained.k_shot} "
        f"{names.own} of bank {bank.content_hash[:8]} by embedder {embedder[:8]}: {bank.note}",
        about=f"A GAN that a few adversarial steps adapt to a handful of {names.own} of a class it has never seen.",
        facts={
            "trained on": f"{len(bank.splits['train'])} classes of {bank.source}",
            "shape of an example": ", ".join(map(str, bank.example.shape)),
            "meta-gradient": trained.meta_gradient,
            "inner steps in training": trained.inner.steps,
            "meta-steps": header.provenance.meta_step,
            "temperature (strokes, bending)": ", ".join(map(str, header.temperature)),
            "training seconds": header.provenance.seconds,
            "seed": header.provenance.seed,
            "parameters": meta_model.n_parameters,
        },
        limits=f"It makes {names.many} that resemble those of its training classes, in size and ground too. The "
        "score is of val classes, which also chose the weights; test classes are in report.html of the run.",
    )
