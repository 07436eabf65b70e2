"""Kinds of continual training on one stream, beside a training on the same tasks in random order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metagan.errors import UserError
from metagan.evaluation.forgetting import continual_measures, first_regret
from metagan.parameters import Continual, MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase, phases_of
from metagan.training.continual_training import MEASURES, ContinualTraining, Course, train_course
from metagan.training.embedder import load_embedder
from metagan.training.saved import EmbedderHeader, SavedModel

UPPER = "iid"
"""The arm whose tasks come in random order, without anything against forgetting."""


def compared_continual(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    settings: Continual,
    training: MetaTrain,
    trainer: Trainer,
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """For each arm a matrix (looks x phases) of each measure, what it says, and seconds; ready for JSON.

    Raises UserError, before any training, when there are too few groups, classes or images.
    """
    stream = settings.stream
    phases = phases_of(bank, stream, seed)
    check_phases(phases, settings)
    bank.check_tasks("meta_train", ("train",), training.k_shot, training.n_query)
    embedders = (evaluation_embedder.content_hash, objective_embedder.content_hash)
    arms = {UPPER: (UPPER, "none"), **{kind: (stream.order, kind) for kind in settings.kinds}}
    trained = {
        name: train_course(
            Course(bank, phases, order, kind, settings, training, seed),
            load_embedder(evaluation_embedder, bank),
            load_embedder(objective_embedder, bank),
            embedders,
            trainer,
            folder,
        )
        for name, (order, kind) in arms.items()
    }
    return {
        "order": stream.order,
        "segments": ORDERS[stream.order].segments(stream.phases),
        "phases": [
            {"name": phase.name, "look": phase.look, "trained": len(phase.trained), "held_back": len(phase.held_back)}
            for phase in phases
        ],
        "meta_steps": settings.meta_steps,
        "step": settings.step,
        "arms": {name: _measured(module, trained[UPPER]) for name, module in trained.items()},
    }


def check_phases(phases: tuple[Phase, ...], settings: Continual) -> None:
    """Raises UserError when more is to be kept of a phase than it has classes to train on."""
    smallest = min(phases, key=lambda phase: len(phase.trained))
    kept = {"reservoir": ("reservoir.tasks", settings.reservoir.tasks)}
    kept["generated"] = ("generated.classes", settings.generated.classes)
    for kind in set(settings.kinds) & set(kept):
        name, count = kept[kind]
        if count > len(smallest.trained):
            raise UserError(
                f"continual.{name}: {count} of each phase are to be kept, but {smallest.name!r} has only "
                f"{len(smallest.trained)} classes to train on"
            )


def _measured(module: ContinualTraining, upper: ContinualTraining) -> dict[str, Any]:
    found = {}
    for measure, sign in MEASURES.items():
        matrix = module.matrix(measure)
        regret = first_regret(matrix, upper.matrix(measure)[-1], sign)
        found[measure] = {"matrix": matrix, **continual_measures(matrix, sign), "regret": regret}
    return {**found, "seconds": round(module.seconds, 1), "skipped": module.skipped}
