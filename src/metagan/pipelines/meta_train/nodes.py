"""Nodes that train the meta-model and the joint GAN it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from metagan.io.tracking import grid_logger, run_logger
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training import joint_training, meta_training

Payload = dict[str, Any]


def meta_train(
    bank: TaskBank,
    evaluation_embedder: Payload,
    objective_embedder: Payload,
    settings: dict[str, Any],
    seed: int,
    checkpoint_folder: Path,
) -> tuple[Payload, pd.DataFrame]:
    """Meta-train the GAN; the evaluation embedder only selects checkpoints on the val classes."""
    logger = run_logger("meta_train")
    meta_model, history = meta_training.meta_train(
        bank,
        evaluation_embedder,
        objective_embedder,
        MetaTrain.model_validate(settings),
        seed,
        checkpoint_folder / "meta_model",
        logger,
        grid_logger(logger, on_paper=bank.source != "image_folder"),
    )
    return meta_model, pd.DataFrame(history)


def train_joint_gan(
    bank: TaskBank, settings: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[Payload, pd.DataFrame]:
    """Train an ordinary GAN on all train classes."""
    joint_gan, history = joint_training.train_joint_gan(
        bank,
        MetaTrain.model_validate(settings),
        seed,
        checkpoint_folder / "joint_gan",
        run_logger("joint_gan"),
    )
    return joint_gan, pd.DataFrame(history)
