"""Lightning checkpoints that are whole or absent; the last two are kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from zipfile import ZipFile

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from metagan.files import replaced, save_tensors

LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
SECONDS_BETWEEN = 30.0

log = logging.getLogger(__name__)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes to a temporary name, then renames; keeps the checkpoint before. Loads tensors and plain values only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: None = None
    ) -> None:
        path = Path(path)
        with replaced(path) as temporary:
            save_tensors(checkpoint, temporary)
            if path.exists():
                path.replace(path.with_name(PREVIOUS))


class RegularCheckpoints(Checkpoint):
    """Saves after every look at the val classes, at the end, and after half a minute without either.

    Once `interrupted` is set it saves after the step at hand, and ends the training by KeyboardInterrupt.
    """

    def __init__(self, folder: Path, validate_every: int | None, interrupted: Event) -> None:
        self.path, self.validate_every, self.interrupted = folder / LAST, validate_every, interrupted
        self._saved = monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        """A step that a look or the end follows is left to them: Lightning would not look again after resuming."""
        looks = bool(self.validate_every) and (trainer.fit_loop.total_batch_idx + 1) % self.validate_every == 0
        due = trainer.strategy.reduce_boolean_decision(monotonic() - self._saved >= SECONDS_BETWEEN, all=False)
        if (due or self.interrupted.is_set()) and not looks and not trainer.should_stop:
            self._save(trainer)
            if self.interrupted.is_set():
                raise KeyboardInterrupt

    def on_validation_end(self, trainer: L.Trainer, *_: object) -> None:
        self._save(trainer)

    def on_train_end(self, trainer: L.Trainer, *_: object) -> None:
        self._save(trainer)

    def _save(self, trainer: L.Trainer) -> None:
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved = monotonic()


def newest_whole(folder: Path) -> Path | None:
    """The checkpoint that a training goes on from: the last one, or the one before if that is damaged."""
    found = [path for path in (folder / LAST, folder / PREVIOUS) if path.exists()]
    for path in found:
        if _is_whole(path):
            log.info("going on from %s", path)
            return path
        log.warning("%s is damaged and is not used", path)
    if found:
        log.warning("%s holds no whole checkpoint: training from the start", folder)
    return None


def _is_whole(path: Path) -> bool:
    """Readable, and every part has its checksum, which torch does not test."""
    try:
        torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        with ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:  # damage has as many names as there are places for it
        return False
