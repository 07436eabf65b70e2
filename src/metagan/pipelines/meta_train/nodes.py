"""Nodes that train the meta-model and the joint GAN it is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from metagan.io.tracking import run_logger
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
    meta_model, history = meta_training.meta_train(
        bank,
        evaluation_embedder,
        objective_embedder,
        MetaTrain.model_validate(settings),
        seed,
        checkpoint_folder / "meta_model",
        run_logger("meta_train"),
    )
    return meta_model, pd.DataFrame(history)


def train_joint_gan(
    bank: TaskBank, meta_model: Payload, settings: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[Payload, pd.DataFrame]:
    """Train an ordinary GAN on all train classes for as long as the meta-model was trained."""
    joint_gan, history = joint_training.train_joint_gan(
        bank,
        meta_model,
        MetaTrain.model_validate(settings),
        seed,
        checkpoint_folder / "joint_gan",
        run_logger("joint_gan"),
    )
    return joint_gan, pd.DataFrame(history)
