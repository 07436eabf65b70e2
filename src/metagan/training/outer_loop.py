"""The outer loop on Lightning, whatever is meta-learned: hand-written steps, averaged weights, resumable."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from metagan.errors import UserError
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.meta_gradients import MetaGradient
from metagan.meta.task_parallel import TaskFunction, TaskMap, resolve
from metagan.meta.update_rules import RULE_PREFIX, Rules, learned_names
from metagan.parameters import OuterLoopSettings
from metagan.training.data import TaskBatches
from metagan.training.processes import mean_over_processes, own_share

log = logging.getLogger(__name__)

# The first as for GANs in Radford et al. 2016 (arXiv 1511.06434), section 4; the second, shorter than Adam's 0.999, for
# trainings of some hundred steps.
ADAM_BETAS = (0.5, 0.99)

Row = dict[str, float | int | None]
Options = tuple[float, tuple[float, float]]
PROGRESS = ("meta_step", "skipped", "skipped_in_a_row", "retreats", "best_score", "best_step", "seconds")
PROGRESS += ("losses", "history")


class OuterLoop(L.LightningModule):
    """Meta-gradients of a batch of tasks, clipped, applied by Adam, averaged over time (EMA).

    An update whose gradient has a NaN or Inf is skipped and counted; `maximum_skipped_in_a_row` of them end the run
    with a UserError. When the score on the val classes has fallen by more than `retreat_margin`, training
    goes back to the averaged weights that scored best, at half the rates. `seconds` are those of training, without the
    looks at the val classes. A subclass draws the tasks, says what a task's loss is and looks at the val classes.
    """

    def __init__(self, learner: Learner, rules: Rules, start: Parameters, settings: OuterLoopSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.learner, self.rules, self.settings = learner, rules, settings
        learned = learned_names(rules, start)
        self.fixed_parameters = {
            name: value for name, value in start.items() if is_of_rule(name) and name not in learned
        }
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
        self.best = nn.ParameterDict(
            {name: nn.Parameter(value.detach().clone(), requires_grad=False) for name, value in self.meta.items()}
        )
        self.best_score, self.best_step = -math.inf, 0
        self.meta_step = self.skipped = self.skipped_in_a_row = self.retreats = 0
        self.seconds = 0.0
        self.history: list[Row] = []
        self.losses: list[float] = []

    def train_tasks(self, indices: range) -> TaskTensors:
        """Tasks of train classes by index, stacked along a first axis."""
        raise NotImplementedError

    def task_loss(self) -> TaskFunction:
        """The scalar whose gradient is the meta-gradient of one task, at this meta-step."""
        raise NotImplementedError

    def loss_by(self, meta_gradient: MetaGradient, step_weights: Sequence[float]) -> TaskFunction:
        """That scalar, with the rules and the parameters that are not learned."""

        def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            everything = {**self.fixed_parameters, **parameters}
            return meta_gradient(learner, self.rules, everything, task, step_weights, differentiate)

        return loss

    def measure(self) -> Row:
        """What the averaged meta-parameters do on the val classes, as `val/*`; `val/score` selects checkpoints."""
        raise NotImplementedError

    def meta_parameters(self, averaged: bool = False) -> Parameters:
        """The learned meta-parameters by name, or their average over time."""
        return {name.replace("/", "."): value for name, value in (self.average if averaged else self.meta).items()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        groups: dict[Options, list[Tensor]] = {}
        for name, value in self.meta_parameters().items():
            groups.setdefault(self.options(name), []).append(value)
        return torch.optim.Adam(
            [{"params": params, "initial_lr": rate, "betas": betas} for (rate, betas), params in groups.items()]
        )

    def options(self, name: str) -> Options:
        """The optimiser's initial rate and its betas for a meta-parameter."""
        return self.settings.rule_learning_rate if is_of_rule(name) else self.settings.learning_rate, ADAM_BETAS

    def clipped(self) -> list[nn.Parameter]:
        """The meta-parameters whose gradient is clipped, together."""
        return list(self.meta.values())

    def train_dataloader(self) -> DataLoader[TaskTensors]:
        stream = TaskBatches(self.train_tasks, self.settings.tasks_per_step, self.meta_step, own_share(self.trainer))
        return DataLoader(stream, batch_size=None)

    def val_dataloader(self) -> DataLoader[int]:
        return DataLoader([0], batch_size=None)

    def on_fit_start(self) -> None:
        mode = resolve(self.settings.task_parallel, self.device)
        log.info("%s: %d tasks a meta-step, by %s", self.settings.section, self.settings.tasks_per_step, mode)
        self.task_map = TaskMap(self.learner, mode, self.settings.vmap_chunk)

    def on_train_start(self) -> None:
        self._started = perf_counter() - self.seconds
        # A training that was stopped after its last step has nothing left to do.
        self.trainer.should_stop = self._share_done() >= 1

    def training_step(self, batch: TaskTensors, batch_idx: int) -> None:
        optimiser = self.optimizers()
        done = self._share_done()
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * self._decay(done) * 0.5**self.retreats
        loss, gradients = self.task_map.mean_gradient(self.task_loss(), self.meta_parameters(), batch)
        loss, *shared = mean_over_processes(self.trainer, [loss, *gradients.values()])
        for parameter, gradient in zip(self.meta.values(), shared, strict=True):
            parameter.grad = gradient
        norm = nn.utils.clip_grad_norm_(self.clipped(), self.settings.clip_gradient_norm)
        self.meta_step += 1
        if torch.isfinite(norm) and torch.isfinite(loss):
            optimiser.step()
            self.skipped_in_a_row = 0
            # Early on, an average over few steps.
            decay = min(self.settings.ema_decay, self.meta_step / (self.meta_step + 9))
            get_ema_multi_avg_fn(decay)(list(self.average.values()), list(self.meta.values()), None)
            self.losses.append(loss.item())
        else:
            self._skip()
        self.seconds = self.trainer.strategy.broadcast(perf_counter() - self._started)
        self.log_dict({"train_loss": loss, "gradient_norm": norm}, prog_bar=True)
        self.log("skipped", float(self.skipped))
        self.trainer.should_stop = self._share_done() >= 1

    def on_validation_start(self) -> None:
        self._look_started = perf_counter()

    def on_validation_end(self) -> None:
        """A look at the val classes is no training: it takes none of the `minutes`."""
        self._started += perf_counter() - self._look_started

    def validation_step(self, batch: int, batch_idx: int) -> None:
        # One process looks, so that all decide alike.
        row = self.trainer.strategy.broadcast(self.measure() if self.trainer.is_global_zero else None)
        self._keep_or_retreat(row["val/score"])
        row["retreats"] = float(self.retreats)
        self.log_dict(row, batch_size=1)
        loss = float(np.mean(self.losses)) if self.losses else None
        self.losses = []
        self.history.append(
            {
                "meta_step": self.meta_step,
                "seconds": round(self.seconds, 1),
                "train_loss": loss,
                "skipped": self.skipped,
                **row,
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {name: getattr(self, name) for name in PROGRESS}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, value in checkpoint["progress"].items():
            setattr(self, name, value)

    def keep_best(self, score: float) -> bool:
        """Keep the averaged weights if none before have scored as high."""
        better = score > self.best_score
        if better:
            self.best_score, self.best_step = score, self.meta_step
            _copy(self.average, self.best)
        return better

    def _keep_or_retreat(self, score: float) -> None:
        if self.keep_best(score):
            return
        if score < self.best_score - self.settings.retreat_margin:
            self.retreats += 1
            _copy(self.best, self.meta)
            _copy(self.best, self.average)
            self.optimizers().optimizer.state.clear()

    def _skip(self) -> None:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self.settings.maximum_skipped_in_a_row:
            raise UserError(
                f"{self.skipped_in_a_row} meta-gradients in a row had a NaN or Inf (meta-step {self.meta_step}): lower "
                f"{self.settings.section}.learning_rate or the rates of {self.settings.section}.inner"
            )

    def _share_done(self) -> float:
        return share_done(self.meta_step, self.settings.meta_steps, self.seconds, self.settings.minutes)

    def _decay(self, done: float) -> float:
        """1, then from `decay_from` of the budget on a cosine to `final_learning_rate_fraction`."""
        first, last = self.settings.decay_from, self.settings.final_learning_rate_fraction
        decayed = min(max((done - first) / (1 - first), 0.0), 1.0)
        return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * decayed))


def best_average(module: OuterLoop) -> tuple[Parameters, int]:
    """The averaged meta-parameters that scored best on the val classes, fixed ones included, and their meta-step.

    Raises UserError when training ended before the first look at the val classes.
    """
    if not module.history:
        settings = module.settings
        raise UserError(
            f"{settings.section}.validate_every: {settings.validate_every} is more than the {module.meta_step} "
            "meta-steps that were trained, so no checkpoint could be selected; lower it"
        )
    state = {name.replace("/", "."): value.detach() for name, value in module.best.items()}
    return {**module.fixed_parameters, **state}, module.best_step


@torch.no_grad()
def _copy(source: nn.ParameterDict, target: nn.ParameterDict) -> None:
    for name, value in source.items():
        target[name].copy_(value)


def share_done(step: int, steps: int | None, seconds: float, minutes: float | None) -> float:
    """Share of a training budget that is spent: of the steps, or of the minutes, whichever is further."""
    by_step = step / steps if steps else 0.0
    return max(by_step, seconds / (60 * minutes)) if minutes else by_step


def is_of_rule(name: str) -> bool:
    """Whether a meta-parameter belongs to an update rule."""
    return name.startswith(RULE_PREFIX)


def step_weights(steps: int, first: float) -> list[float]:
    """Weights of the outer losses after each inner step, from `first` evenly up to 1."""
    return np.linspace(first, 1.0, steps).tolist() if steps > 1 else [1.0] * steps
