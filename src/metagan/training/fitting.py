"""Running a Lightning module to its own end, resumably."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import Logger
from torch.multiprocessing import ProcessRaisedException

import metagan
from metagan.errors import UserError
from metagan.parameters import Section, Trainer
from metagan.training.checkpoints import LAST, AtomicCheckpoints, RegularCheckpoints, newest_whole

PACKAGE = Path(metagan.__file__).parent
TRAINED_BY = ("domains", "evaluation", "losses", "meta", "nets", "reinforcement", "tasks", "training")

ended: set[Path] = set()


def fit(
    module: L.LightningModule,
    folder: Path,
    logger: Logger | None,
    settings: Trainer,
    validate_every: int | None = None,
) -> None:
    """Train until the module says stop, from `folder`'s newest whole checkpoint if there is one.

    A training that has ended stays in `folder`, and is not trained again, until `forget_ended`.
    """
    interrupted = threading.Event()
    trainer = L.Trainer(
        accelerator=_accelerator(settings),
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy if settings.processes > 1 else "auto",
        max_epochs=1,
        logger=logger or False,
        callbacks=[RegularCheckpoints(folder, validate_every, interrupted), RichProgressBar(leave=True)],
        plugins=[AtomicCheckpoints()],
        val_check_interval=validate_every,
        check_val_every_n_epoch=None,
        limit_val_batches=1 if validate_every else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    # Several processes would not stop at the same step, and wait for each other for ever.
    alone = settings.processes == 1 and threading.current_thread() is threading.main_thread()
    with warnings.catch_warnings(), _set_by_ctrl_c(interrupted) if alone else nullcontext():
        # They speak of Lightning's own inside, of a state that a resumed training does not need, or of values that
        # are the same in all processes.
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        warnings.filterwarnings("ignore", ".*no pre-optimization state was saved.*")
        warnings.filterwarnings("ignore", ".*sync_dist=True.*")
        try:
            trainer.fit(module, ckpt_path=newest_whole(folder), weights_only=True)
        except ProcessRaisedException as error:
            raise (_of_a_person(error) or error) from None
        finally:
            if settings.forks:  # an interrupted parent would wait for its children for ever
                trainer.strategy.launcher.kill(signal.SIGKILL)
    if interrupted.is_set():  # in the last step
        raise KeyboardInterrupt
    if settings.forks:  # the weights are back, and the rest is in what the first process has written
        module.on_load_checkpoint(torch.load(folder / LAST, weights_only=True))
    ended.add(folder)


def _accelerator(settings: Trainer) -> str:
    """By Lightning's own test, which leaves CUDA as it is: processes could not be forked once it had started."""
    if settings.accelerator != "auto":
        return settings.accelerator
    return "gpu" if CUDAAccelerator.is_available() else "cpu"


def _of_a_person(error: ProcessRaisedException) -> UserError | None:
    """The UserError that ended a child, of which only the text of its traceback comes back."""
    name, _, told = str(error).rstrip().rpartition("\n")[2].partition(": ")
    return UserError(told) if name == f"{UserError.__module__}.{UserError.__name__}" else None


@contextmanager
def _set_by_ctrl_c(interrupted: threading.Event) -> Iterator[None]:
    """The first Ctrl-C sets the event; the second interrupts at once."""

    def handle(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def fingerprint(settings: Section, seed: int, *content_hashes: str) -> str:
    """A short name of everything that a training depends on, code included: only the same training is resumed."""
    text = json.dumps([settings.model_dump(mode="json"), seed, *content_hashes, _code_hash()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _code_hash() -> str:
    """The sha256 of the source files that a training runs."""
    digest = hashlib.sha256()
    for path in sorted(path for name in TRAINED_BY for path in (PACKAGE / name).rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def forget_ended() -> None:
    """Remove the checkpoints of the trainings that this process has ended, so that the next run trains again.

    For the end of a whole run: when it is interrupted before, its ended trainings are not lost.
    """
    while ended:
        shutil.rmtree(ended.pop(), ignore_errors=True)
