"""Whole trainings at the same time, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from joblib import Parallel, delayed

from metagan.training import fitting

Result = TypeVar("Result")


def side_by_side(trainings: Iterable[Callable[[], Result]], processes: int) -> list[Result]:
    """What the trainings return, in their order, `processes` at a time; with one they run here, one after the other."""
    done = Parallel(n_jobs=processes)(delayed(_train)(training) for training in trainings)
    for _, ended in done:
        fitting.ended.update(ended)
    return [result for result, _ in done]


def _train(training: Callable[[], Result]) -> tuple[Result, set[Path]]:
    return training(), fitting.ended
