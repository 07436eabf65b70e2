"""Running a Lightning module to its own end, resumably."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import Logger

from metagan.parameters import Section
from metagan.training.checkpoints import AtomicCheckpoints

LAST = "last.ckpt"
BEST = "best.ckpt"


def fit(
    module: L.LightningModule, folder: Path, logger: Logger | None, accelerator: str, validate_every: int | None = None
) -> None:
    """Train until the module says stop, from `folder`'s last checkpoint if there is one.

    With `validate_every` (steps) the checkpoint with the highest `val/score` is kept as well.
    """
    folder.mkdir(parents=True, exist_ok=True)  # DVC looks for it, also when training is too short for a checkpoint
    if validate_every:
        best = ModelCheckpoint(folder, "best", monitor="val/score", mode="max", enable_version_counter=False)
        # After `best`, so that a resumed training knows the best score.
        checkpoints = [best, ModelCheckpoint(folder, "last", enable_version_counter=False)]
    else:
        checkpoints = [ModelCheckpoint(folder, "last", every_n_train_steps=500, enable_version_counter=False)]
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=1,
        logger=logger or False,
        callbacks=[*checkpoints, RichProgressBar(leave=True)],
        plugins=[AtomicCheckpoints()],
        val_check_interval=validate_every,
        check_val_every_n_epoch=None,
        limit_val_batches=1 if validate_every else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    last = folder / LAST
    with warnings.catch_warnings():
        # Both speak of Lightning's own inside, or of a state that a resumed training does not need.
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        warnings.filterwarnings("ignore", ".*no pre-optimization state was saved.*")
        trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)


def fingerprint(settings: Section, seed: int, content_hash: str) -> str:
    """A short name of everything that a training depends on, so that only the same training is resumed."""
    text = json.dumps([settings.model_dump(mode="json"), seed, content_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def finish(folder: Path) -> None:
    """A finished training is not resumed: the next run trains again."""
    (folder / LAST).unlink(missing_ok=True)
