"""Small classifiers trained from scratch, as judges of images that they have never met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metagan.domains import Domain
from metagan.nets.randomness import seeded
from metagan.nets.threads import intra_op_threads, single_threads

BATCH_SIZE = 64
LEARNING_RATE, WEIGHT_DECAY = 1e-2, 1e-2


@dataclass(frozen=True)
class Trial:
    """One classifier to train and to test.

    parts: (images (N, C, H, W) in [0, 1], labels (N,) int64) pairs; each has an equal share of every batch.
    test: likewise one pair, from which nothing is learned. `jitter` moves every training image a little, anew each
    time that it is seen, as the domain moves them.
    """

    domain: Domain
    parts: Sequence[tuple[Tensor, Tensor]]
    test: tuple[Tensor, Tensor]
    n_classes: int
    seed: int
    jitter: bool = False


def accuracies(trials: Sequence[Trial], steps: int) -> list[float]:
    """Accuracy on its test images of what each trial trains for `steps` batches."""
    return [right.double().mean().item() for right in answers(trials, steps)]


def answers(trials: Sequence[Trial], steps: int) -> list[Tensor]:
    """Which of its test images each trial gets right after `steps` batches, bool (N,); as many trials at a time as
    there are cores.

    A pure function of the trials: every one has random numbers of its own, and the number of cores changes nothing.
    """
    # Initial weights come from the global generator, so they are drawn before the threads start.
    networks = [_initial(trial) for trial in trials]
    with intra_op_threads(1), single_threads(None) as pool:
        return list(pool.map(_answers, networks, trials, repeat(steps)))


def _initial(trial: Trial) -> nn.Module:
    with seeded(trial.seed):
        return trial.domain.judge(tuple(trial.test[0].shape[1:]), trial.n_classes)


def _answers(network: nn.Module, trial: Trial, steps: int) -> Tensor:
    generator = torch.Generator().manual_seed(trial.seed)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    share = BATCH_SIZE // len(trial.parts)
    with torch.enable_grad():
        for _ in range(steps):
            rows = [torch.randint(len(labels), (share,), generator=generator) for _, labels in trial.parts]
            images = torch.cat([part[row] for (part, _), row in zip(trial.parts, rows, strict=True)])
            labels = torch.cat([part[row] for (_, part), row in zip(trial.parts, rows, strict=True)])
            if trial.jitter:
                images = trial.domain.move_at_random(images, generator)
            optimiser.zero_grad()
            F.cross_entropy(network(images), labels).backward()
            optimiser.step()
            schedule.step()
    images, labels = trial.test
    with torch.no_grad():
        return network.eval()(images).argmax(1) == labels
