"""Nodes that train a few-shot classifier under attack, and its natural twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from metagan.identity import history_of, together
from metagan.io.registry import Candidate
from metagan.io.tracking import run_logger
from metagan.parameters import AdversarySettings, ClassifierSettings, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training.classifier_training import train_classifier
from metagan.training.saved import ClassifierHeader, SavedModel


def train(
    bank: TaskBank, settings: dict[str, Any], trainer: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[SavedModel[ClassifierHeader], pd.DataFrame]:
    """The classifier of the configuration."""
    classifier, history = train_classifier(
        bank,
        ClassifierSettings.model_validate(settings),
        Trainer.model_validate(trainer),
        seed,
        checkpoint_folder / "classifier",
        run_logger("classifier"),
    )
    return classifier, pd.DataFrame(history).assign(weights=classifier.content_hash)


def train_natural_twin(
    bank: TaskBank, settings: dict[str, Any], trainer: dict[str, Any], seed: int, checkpoint_folder: Path
) -> tuple[SavedModel[ClassifierHeader], pd.DataFrame]:
    """The same classifier on the same tasks without an adversary."""
    natural = ClassifierSettings.model_validate(settings).model_copy(update={"adversary": AdversarySettings()})
    classifier, history = train_classifier(
        bank,
        natural,
        Trainer.model_validate(trainer),
        seed,
        checkpoint_folder / "classifier",
        run_logger("natural_classifier"),
    )
    return classifier, pd.DataFrame(history).assign(weights=classifier.content_hash)


def classifier_candidate(classifier: SavedModel[ClassifierHeader], history: pd.DataFrame, bank: TaskBank) -> Candidate:
    """The classifier for the registry; its score is that of the weights that were kept."""
    together(
        "register_classifier",
        classifier=classifier.identity("classifier"),
        classifier_history=history_of("classifier", history["weights"]),
        task_bank=bank.identity,
    )
    trained, provenance = classifier.header.settings, classifier.header.provenance
    kept, adversary = history[history["meta_step"] == provenance.meta_step], trained.adversary
    attack = "" if adversary.where == "none" else f" and under PGD ({adversary.norm}, {adversary.epsilon:g})"
    return Candidate(
        name=f"metagan-{bank.source}-{bank.example.shape[-1]}-classifier",
        model=classifier,
        score=float(kept["val/score"].max()),
        scored_on=f"{trained.n_way}-way {trained.k_shot}-shot accuracy{attack}, {trained.validation_tasks} val "
        f"episodes of bank {bank.content_hash[:8]}: {bank.note}",
        about=f"A few-shot classifier ({trained.method}): tells apart classes that it has never seen, by some pictures "
        "of each.",
        facts={
            "trained on": f"{len(bank.splits['train'])} classes of {bank.source}",
            "shape of an example": ", ".join(map(str, bank.example.shape)),
            "attacked in training": adversary.where,
            "meta-steps": provenance.meta_step,
            "training seconds": provenance.seconds,
            "seed": provenance.seed,
            "parameters": classifier.n_parameters,
        },
        limits="It knows no other than the given classes, and is robust only to attacks of the strength that it was "
        "measured under; see report.html of the run. The val classes also chose the weights.",
    )
