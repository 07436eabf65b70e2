"""Running a training that is no Lightning module to its end, update by update and resumably."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from metagan.files import replaced, save_tensors
from metagan.training.checkpoints import LAST, SECONDS_BETWEEN, newest_whole
from metagan.training.fitting import ended

LINES = 20

Row = dict[str, float]

log = logging.getLogger(__name__)


class Resumable(Protocol):
    """What one update after another changes; each adds a row to `history`. `load` takes what `state` gave."""

    history: list[Row]

    def update(self) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...


def run(name: str, training: Resumable, updates: int, folder: Path, report: Callable[[Row], None]) -> float:
    """The seconds that all `updates` took; `report` gets each row, from where a checkpoint in `folder` goes on.

    An ended training stays in `folder` until `fitting.forget_ended`.
    """
    seconds = 0.0
    if path := newest_whole(folder):
        state = torch.load(path, weights_only=True)
        seconds = state.pop("seconds")
        training.load(state)
    started, saved = time.monotonic() - seconds, time.monotonic()
    while (done := len(training.history)) < updates:
        training.update()
        row = training.history[-1]
        report(row)
        done += 1
        if done % max(1, updates // LINES) == 0:
            told = ", ".join(f"{key} {value:.4g}" for key, value in row.items())
            log.info("%s: %d of %d updates: %s", name, done, updates, told)
        if done == updates or time.monotonic() - saved >= SECONDS_BETWEEN:
            seconds, saved = time.monotonic() - started, time.monotonic()
            with replaced(folder / LAST) as temporary:
                save_tensors({**training.state(), "seconds": seconds}, temporary)
    ended.add(folder)
    return seconds
