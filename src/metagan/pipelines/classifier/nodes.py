"""Nodes that train a few-shot classifier under attack, and its natural twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from metagan.io.tracking import run_logger
from metagan.parameters import AdversarySettings, Classifier
from metagan.tasks.bank import TaskBank
from metagan.training.classifier import Payload, train_classifier


def train(bank: TaskBank, settings: dict[str, Any], seed: int, checkpoint_folder: Path) -> tuple[Payload, pd.DataFrame]:
    """The classifier of the configuration."""
    classifier, history = train_classifier(
        bank,
        Classifier.model_validate(settings),
        seed,
        checkpoint_folder / "classifier",
        run_logger("classifier"),
    )
    return classifier, pd.DataFrame(history)


def train_natural_twin(
    bank: TaskBank, settings: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[Payload, pd.DataFrame]:
    """The same classifier on the same tasks without an adversary."""
    natural = Classifier.model_validate(settings).model_copy(update={"adversary": AdversarySettings()})
    classifier, history = train_classifier(
        bank, natural, seed, checkpoint_folder / "classifier", run_logger("natural_classifier")
    )
    return classifier, pd.DataFrame(history)
