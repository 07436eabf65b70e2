"""Kinds of continual training on one stream, beside a training on the same tasks in random order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from metagan.errors import UserError
from metagan.evaluation.forgetting import continual_measures, first_regret
from metagan.parameters import ClassifierSettings, Continual, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.tasks.orders import ORDERS
from metagan.tasks.phases import Phase, phases_of
from metagan.training.on_a_stream import Course, OnAStream

Train: TypeAlias = Callable[[Course], OnAStream]
UPPER = "iid"
"""The arm whose tasks come in random order, without anything against forgetting."""


def compared_continual(
    bank: TaskBank,
    train: Train,
    settings: Continual,
    training: MetaTrain | ClassifierSettings,
    seed: int,
) -> dict[str, Any]:
    """For each arm a matrix (looks x phases) of each measure, what it says, and seconds; ready for JSON.

    Raises UserError, before any training, when there are too few groups, classes or images.
    """
    stream = settings.stream
    phases = phases_of(bank, stream, seed)
    check_phases(phases, settings, training)
    bank.check_tasks(training.section, ("train",), training.k_shot, training.n_query)
    arms = {UPPER: (UPPER, "none"), **{kind: (stream.order, kind) for kind in settings.kinds}}
    trained = {
        name: train(Course(bank, phases, order, kind, settings, training, seed)) for name, (order, kind) in arms.items()
    }
    return {
        "order": stream.order,
        "segments": ORDERS[stream.order].segments(stream.phases),
        "phases": [
            {"name": phase.name, "look": phase.look, "trained": len(phase.trained), "held_back": len(phase.held_back)}
            for phase in phases
        ],
        "meta_steps": settings.meta_steps,
        "learner": settings.learner,
        "step": settings.step,
        "measures": list(trained[UPPER].measures),
        "arms": {name: _measured(module, trained[UPPER]) for name, module in trained.items()},
    }


def check_phases(phases: tuple[Phase, ...], settings: Continual, training: MetaTrain | ClassifierSettings) -> None:
    """Raises UserError when more is to be kept of a phase than it has classes to train on, or an episode is larger."""
    few = min(min(len(phase.trained), len(phase.held_back)) for phase in phases)
    if isinstance(training, ClassifierSettings) and training.n_way > few:
        raise UserError(
            f"continual.classifier.n_way: {training.n_way}, but a phase has only {few} classes to train on or held back"
        )
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


def _measured(module: OnAStream, upper: OnAStream) -> dict[str, Any]:
    found = {}
    for measure, sign in module.measures.items():
        matrix = module.matrix(measure)
        regret = first_regret(matrix, upper.matrix(measure)[-1], sign)
        found[measure] = {"matrix": matrix, **continual_measures(matrix, sign), "regret": regret}
    return {**found, "seconds": round(module.seconds, 1), "skipped": module.skipped}
