"""Meta-training of the GAN on Lightning, with hand-written inner and outer steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from metagan.evaluation.validation import validation_metrics
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskFunction, TaskMap, resolve
from metagan.meta.update_rules import UPDATE_RULES, UpdateRule
from metagan.meta.update_rules.base import RULE_PREFIX
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.data import MetaBatches, generation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.fitting import BEST, fingerprint, finish, fit
from metagan.training.gan import Payload, architecture_of, build_learner, initial_networks, initial_rule, payload
from metagan.training.sampling import sample_trajectory

Row = dict[str, float | int | None]
Show = Callable[[Tensor, int], None]
"""Receives validation samples (T, columns, C, H, W) in [0, 1] and the meta-step."""


class MetaTraining(L.LightningModule):
    """The outer loop: meta-gradients of a batch of tasks, clipped, applied by Adam, averaged over time (EMA).

    An update whose gradient has a NaN or Inf is skipped and counted; `maximum_skipped_in_a_row` of them end the run
    with a FloatingPointError.
    """

    def __init__(
        self,
        bank: TaskBank,
        learner: GanLearner,
        rule: UpdateRule,
        start: Parameters,
        scratch: Parameters,
        evaluation_embed: nn.Module,
        settings: MetaTrain,
        seed: int,
        show: Show | None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.bank, self.learner, self.rule, self.scratch = bank, learner, rule, scratch
        self.settings, self.seed, self.show = settings, seed, show
        # In a tuple, so that neither embedder becomes a part of this module and its checkpoints.
        self._evaluation_embed = (evaluation_embed,)
        self.fixed_parameters = (
            {} if rule.learned else {name: value for name, value in start.items() if is_of_rule(name)}
        )
        # Parameter names may not hold dots.
        self.meta = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(start[name].clone())
                for name in start
                if name not in self.fixed_parameters
            }
        )
        self.average = nn.ParameterDict(
            {name: nn.Parameter(value.detach().clone(), requires_grad=False) for name, value in self.meta.items()}
        )
        self.meta_step = self.skipped = self.skipped_in_a_row = 0
        self.seconds = 0.0
        self.history: list[Row] = []
        self._losses: list[float] = []
        self._scratch_values: dict[str, float] | None = None

    def meta_parameters(self, averaged: bool = False) -> Parameters:
        """The learned meta-parameters by name, or their average over time."""
        return {name.replace("/", "."): value for name, value in (self.average if averaged else self.meta).items()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        settings, parameters = self.settings, self.meta_parameters()
        groups = [
            {"params": [value for name, value in parameters.items() if is_of_rule(name) == of_rule], "initial_lr": rate}
            for of_rule, rate in ((False, settings.learning_rate), (True, settings.rule_learning_rate))
        ]
        return torch.optim.Adam(groups, betas=(0.5, 0.99))

    def train_dataloader(self) -> DataLoader[TaskTensors]:
        settings = self.settings
        batches = MetaBatches(
            self.bank,
            self.seed,
            self.meta_step,
            settings.tasks_per_step,
            settings.k_shot,
            settings.n_query,
            settings.inner.steps,
            settings.networks.noise_size,
            settings.turn_classes,
        )
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[int]:
        return DataLoader([0], batch_size=None)

    def on_fit_start(self) -> None:
        if self.learner.embed is not None:
            self.learner.embed.to(self.device)
        mode = resolve(self.settings.task_parallel, self.device, self.meta_parameters())
        self.task_map = TaskMap(self.learner, mode, self.settings.vmap_chunk)

    def on_train_start(self) -> None:
        self._started = perf_counter() - self.seconds
        # A training that was stopped after its last step has nothing left to do.
        self.trainer.should_stop = self._share_done() >= 1

    def training_step(self, batch: TaskTensors, batch_idx: int) -> None:
        optimiser = self.optimizers()
        done = self._share_done()
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * self._decay(done)
        loss, gradients = self.task_map.mean_gradient(self._task_loss(), self.meta_parameters(), batch)
        for name, parameter in self.meta.items():
            parameter.grad = gradients[name.replace("/", ".")]
        norm = nn.utils.clip_grad_norm_(self.meta.values(), self.settings.clip_gradient_norm)
        self.meta_step += 1
        if torch.isfinite(norm) and torch.isfinite(loss):
            optimiser.step()
            self.skipped_in_a_row = 0
            # Early on, an average over few steps.
            decay = min(self.settings.ema_decay, self.meta_step / (self.meta_step + 9))
            get_ema_multi_avg_fn(decay)(list(self.average.values()), list(self.meta.values()), None)
            self._losses.append(loss.item())
        else:
            self._skip()
        self.seconds = perf_counter() - self._started
        self.log_dict({"train_loss": loss, "gradient_norm": norm}, prog_bar=True)
        self.log("skipped", float(self.skipped))
        self.trainer.should_stop = self._share_done() >= 1

    def validation_step(self, batch: int, batch_idx: int) -> None:
        settings = self.settings
        steps = settings.validation_steps
        tasks, classes = generation_tasks(
            self.bank,
            "val",
            self.seed,
            range(settings.validation_tasks),
            settings.k_shot,
            settings.n_query,
            max(steps),
            settings.networks.noise_size,
        )
        tasks = {name: value.to(self.device) for name, value in tasks.items()}

        def measure(rule: UpdateRule, parameters: Parameters) -> tuple[Tensor, dict[str, float]]:
            samples = sample_trajectory(self.task_map, rule, parameters, tasks, (0, *steps)).cpu()
            real = tasks["support"].cpu(), tasks["query"].cpu()
            values = validation_metrics(self._evaluation_embed[0], samples, *real, np.array(classes), self.seed)
            per_step = {metric: zip((0, *steps), column, strict=True) for metric, column in values.items()}
            return samples, {f"val/{metric}_{step}": value for metric in per_step for step, value in per_step[metric]}

        if self._scratch_values is None:
            _, self._scratch_values = measure(UPDATE_RULES["sgd"], self.scratch)
        samples, row = measure(self.rule, {**self.fixed_parameters, **self.meta_parameters(averaged=True)})
        for step in steps:
            name = f"recognisability_{step}"
            row[f"val/gap_{step}"] = row[f"val/{name}"] - self._scratch_values[f"val/{name}"]
        row["val/score"] = float(np.mean([row[f"val/recognisability_{step}"] for step in steps]))
        self.log_dict(row, batch_size=1)
        self.log("gap", row[f"val/gap_{max(steps)}"], prog_bar=True, logger=False, batch_size=1)
        loss = float(np.mean(self._losses)) if self._losses else None
        self._losses = []
        self.history.append(
            {
                "meta_step": self.meta_step,
                "seconds": round(self.seconds, 1),
                "train_loss": loss,
                "skipped": self.skipped,
                **row,
            }
        )
        if self.show is not None:
            columns = [tasks["support"][:8, :4].cpu(), *(samples[:8, index, :4] for index in range(samples.shape[1]))]
            self.show(torch.cat(columns, 1), self.meta_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        names = ("meta_step", "skipped", "skipped_in_a_row", "seconds", "history")
        checkpoint["progress"] = {name: getattr(self, name) for name in names}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in checkpoint["progress"].items():
            setattr(self, name, value)

    def _task_loss(self) -> TaskFunction:
        settings = self.settings
        warming_up = self.meta_step < settings.warm_up.meta_steps
        meta_gradient = META_GRADIENTS[settings.warm_up.meta_gradient if warming_up else settings.meta_gradient]
        weights = step_weights(settings.inner.steps, settings.first_step_weight)

        def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            return meta_gradient(
                learner, self.rule, {**self.fixed_parameters, **parameters}, task, weights, differentiate
            )

        return loss

    def _skip(self) -> None:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self.settings.maximum_skipped_in_a_row:
            raise FloatingPointError(
                f"{self.skipped_in_a_row} meta-gradients in a row had a NaN or Inf (meta-step {self.meta_step}): lower "
                "meta_train.learning_rate or meta_train.inner.generator_learning_rate and discriminator_learning_rate"
            )

    def _share_done(self) -> float:
        """Share of the training budget that is spent: of the meta-steps, or of the minutes, whichever is further."""
        by_step = self.meta_step / self.settings.meta_steps if self.settings.meta_steps else 0.0
        return max(by_step, self.seconds / (60 * self.settings.minutes)) if self.settings.minutes else by_step

    def _decay(self, done: float) -> float:
        """1, then from `decay_from` of the budget on a cosine to `final_learning_rate_fraction`."""
        first, last = self.settings.decay_from, self.settings.final_learning_rate_fraction
        decayed = min(max((done - first) / (1 - first), 0.0), 1.0)
        return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * decayed))


def is_of_rule(name: str) -> bool:
    """Whether a meta-parameter belongs to the update rule."""
    return name.startswith(RULE_PREFIX)


def step_weights(steps: int, first: float) -> list[float]:
    """Weights of the outer losses after each inner step, from `first` evenly up to 1."""
    return np.linspace(first, 1.0, steps).tolist() if steps > 1 else [1.0]


def meta_train(
    bank: TaskBank,
    evaluation_embedder: Payload,
    objective_embedder: Payload,
    settings: MetaTrain,
    seed: int,
    folder: Path,
    logger: Logger | None,
    show: Show | None = None,
) -> tuple[Payload, list[Row]]:
    """Meta-train and return the averaged meta-parameters that scored best on the val classes, and the history.

    An interrupted training with the same parameters and task bank goes on from `folder`. The evaluation embedder
    only selects; the gradient sees the objective embedder alone.
    """
    architecture = architecture_of(bank, settings)
    learner = build_learner(architecture, settings.inner, settings, load_embedder(objective_embedder))
    networks = initial_networks(architecture, seed)
    rule, rule_parameters = initial_rule(settings.inner, networks)
    scratch = {**networks, **initial_rule(settings.inner, networks, "sgd")[1]}
    embed = load_embedder(evaluation_embedder)
    module = MetaTraining(bank, learner, rule, {**networks, **rule_parameters}, scratch, embed, settings, seed, show)
    folder = folder / fingerprint(settings, seed, bank.content_hash)
    fit(module, folder, logger, settings.accelerator, settings.validate_every)
    if not (folder / BEST).exists():
        raise ValueError(
            f"meta_train.validate_every: {settings.validate_every} is more than the {module.meta_step} meta-steps that "
            "were trained, so no checkpoint could be selected; lower it"
        )
    best = torch.load(folder / BEST, map_location="cpu", weights_only=True)
    prefix = "average."
    state = {
        name.removeprefix(prefix).replace("/", "."): value
        for name, value in best["state_dict"].items()
        if name.startswith(prefix)
    }
    facts = {
        "update_rule": settings.inner.update_rule,
        "seconds": module.seconds,
        "seed": seed,
        "meta_step": best["progress"]["meta_step"],
    }
    finish(folder)
    state = {**module.fixed_parameters, **state}
    return payload("meta_model", architecture, settings.inner, state, **facts), module.history
