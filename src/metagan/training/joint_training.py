"""The joint GAN: an ordinary GAN on all train classes, from which the fine-tuned arm starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset

from metagan.meta.differentiation import Parameters
from metagan.meta.learners import GanLearner
from metagan.parameters import MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training.data import task_noise
from metagan.training.fitting import fingerprint, fit
from metagan.training.gan import Gan, architecture_of, initial_networks
from metagan.training.outer_loop import share_done
from metagan.training.processes import WHOLE, mean_over_processes, own_share
from metagan.training.saved import GanHeader, Provenance, SavedModel

ADAM_BETAS = (0.0, 0.99)  # Karras et al. 2018 (arXiv 1710.10196), appendix A.1


class JointBatches(IterableDataset[dict[str, Tensor]]):
    """Endless batches of train images of all classes, with noise; pure functions of (seed, step);
    of each the `share` of one process."""

    def __init__(
        self, bank: TaskBank, seed: int, start: int, batch_size: int, noise_size: int, share: slice = WHOLE
    ) -> None:
        self.bank, self.seed, self.start, self.batch_size, self.noise_size = bank, seed, start, batch_size, noise_size
        self.share = share

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        places = self.bank.places("train")
        for step in count(self.start):
            generator = np.random.default_rng([self.seed, step])
            chosen = np.sort(generator.choice(places, self.batch_size))
            noise = task_noise(self.seed, step, 1, 2, self.batch_size, self.noise_size)
            yield {
                "support": self.bank.domain.to_tensor(self.bank.images[chosen[self.share]]),
                "inner_noise": noise[:, :, self.share],
            }


class JointTraining(L.LightningModule):
    """Alternating Adam steps of discriminator and generator, with the same losses and networks as the inner loop."""

    def __init__(self, bank: TaskBank, learner: GanLearner, start: Gan, settings: MetaTrain, seed: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.bank, self.learner, self.settings, self.seed = bank, learner, settings, seed
        self.networks = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(value.clone()) for name, value in start.parameters.items()}
        )
        self.average = nn.ParameterDict(
            {name: nn.Parameter(value.clone(), requires_grad=False) for name, value in self.networks.items()}
        )
        self.steps = settings.joint_steps
        self.step, self.seconds, self.history = 0, 0.0, []

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        rate = self.settings.joint.learning_rate
        return [torch.optim.Adam(self._of(player), rate, betas=ADAM_BETAS) for player in self.learner.players]

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        joint, networks = self.settings.joint, self.settings.networks
        shape = (joint.batch_size, networks.noise_size)
        return DataLoader(
            JointBatches(self.bank, self.seed, self.step, *shape, own_share(self.trainer)), batch_size=None
        )

    def on_fit_start(self) -> None:
        self.learner.to(self.device)

    def on_train_start(self) -> None:
        self._started = perf_counter() - self.seconds
        self.trainer.should_stop = self._share_done() >= 1

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        losses = {}
        for player, optimiser in zip(self.learner.players, self.optimizers(), strict=True):
            parameters = {name.replace("/", "."): value for name, value in self.networks.items()}
            loss, own = self._loss(player, parameters, batch), self._of(player)
            found = [loss.detach(), *torch.autograd.grad(loss, own)]
            losses[f"{player}_loss"], *gradients = mean_over_processes(self.trainer, found)
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter.grad = gradient
            optimiser.step()
        get_ema_multi_avg_fn(min(0.999, (self.step + 1) / (self.step + 10)))(
            list(self.average.values()), list(self.networks.values()), None
        )
        self.step += 1
        self.seconds = self.trainer.strategy.broadcast(perf_counter() - self._started)
        self.log_dict(losses, prog_bar=True)
        if self.step % max(1, (self.steps or 1000) // 50) == 0:
            told = {name: value.item() for name, value in losses.items()}
            self.history.append({"step": self.step, "seconds": round(self.seconds, 1), **told})
        self.trainer.should_stop = self._share_done() >= 1

    def _loss(self, player: str, parameters: Parameters, batch: dict[str, Tensor]) -> Tensor:
        """The loss of the inner loop, and for the generator what the outer loop says of likelihoods."""
        loss = self.learner.inner_loss(player, parameters, batch, 0)
        weight = self.settings.outer_objective.likelihood
        if player == "generator" and weight:
            loss = loss + weight * self.learner.surprise(parameters, batch["inner_noise"][0, 0], batch["support"])
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {name: getattr(self, name) for name in ("step", "seconds", "history")}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in checkpoint["progress"].items():
            setattr(self, name, value)

    def _share_done(self) -> float:
        return share_done(self.step, self.steps, self.seconds, self.settings.minutes)

    def _of(self, player: str) -> list[nn.Parameter]:
        return [value for name, value in self.networks.items() if name.startswith(f"{player}/")]


def train_joint_gan(
    bank: TaskBank, settings: MetaTrain, trainer: Trainer, seed: int, folder: Path, logger: Logger | None
) -> tuple[SavedModel[GanHeader], list[dict[str, float]]]:
    """Train as long as meta-training, and return the averaged networks and the history of losses.

    In steps that is `joint.steps_per_meta_step` for each meta-step, so that equal seeds give equal weights. An
    interrupted training with the same parameters and task bank goes on from `folder`.
    """
    architecture = architecture_of(bank, settings)
    start = Gan(architecture, settings.inner, initial_networks(architecture, seed))
    learner = replace(start.learner(), gan_loss=settings.joint.gan_loss, r1=settings.joint.r1)
    module = JointTraining(bank, learner, start, settings, seed)
    folder = folder / fingerprint(settings, seed, bank.content_hash)
    fit(module, folder, logger, trainer)
    trained = replace(start, parameters={name.replace("/", "."): value for name, value in module.average.items()})
    provenance = Provenance(seed=seed, seconds=module.seconds, made_from=bank.identity)
    return trained.save("joint_gan", provenance), module.history
