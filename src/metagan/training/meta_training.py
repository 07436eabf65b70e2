"""Meta-training of the GAN on Lightning, with hand-written inner and outer steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from metagan.identity import together
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskFunction
from metagan.parameters import MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import drawn_shots
from metagan.tasks.streams import task_stream
from metagan.training.data import generation_tasks, validation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.fitting import fingerprint, fit
from metagan.training.gan import Gan, architecture_of, initial_critic, initial_gan
from metagan.training.outer_loop import Options, OuterLoop, Row, best_average, step_weights
from metagan.training.saved import EmbedderHeader, GanHeader, Provenance, SavedModel, Shots, detached
from metagan.training.temperature import best_temperature
from metagan.training.trajectories import judged_samples, sampling_map

CRITIC = "critic."
Show = Callable[[Tensor, int], None]
"""Receives validation samples (T, columns, C, H, W) in [0, 1] and the meta-step."""


class MetaTraining(OuterLoop):
    """The outer loop of the GAN: generation tasks, judged by `outer_objective`, selected by the FJD."""

    learner: GanLearner
    settings: MetaTrain

    def __init__(
        self,
        bank: TaskBank,
        learner: GanLearner,
        start: Gan,
        evaluation_embed: nn.Module,
        settings: MetaTrain,
        seed: int,
        show: Show | None,
    ) -> None:
        critic = initial_critic(start.architecture, settings.outer_objective, seed)
        super().__init__(learner, start.rules, {**start.parameters, **critic}, settings)
        self.bank, self.gan, self.seed, self.show = bank, start, seed, show
        self.stream = task_stream(bank, seed, settings.stream)
        # In a tuple, so that neither embedder becomes a part of this module and its checkpoints.
        self._evaluation_embed = (evaluation_embed,)
        self._scratch_values: dict[str, float] | None = None

    def on_fit_start(self) -> None:
        self.learner.to(self.device)
        super().on_fit_start()

    def train_tasks(self, indices: range) -> TaskTensors:
        settings = self.settings
        meta_step = indices.start // settings.tasks_per_step
        return generation_tasks(
            self.stream,
            "train",
            indices,
            drawn_shots(self.seed, meta_step, settings.smallest_k_shot, settings.k_shot),
            settings.n_query,
            settings.inner.steps,
            settings.networks,
        )[0]

    def task_loss(self) -> TaskFunction:
        settings = self.settings
        warm_up, name, steps = settings.warm_up, settings.meta_gradient, settings.inner.steps
        if self.meta_step < warm_up.meta_steps:
            name = name if warm_up.meta_gradient == "none" else warm_up.meta_gradient
            steps = steps if warm_up.inner_steps is None else warm_up.inner_steps
        return self.loss_by(META_GRADIENTS[name], step_weights(steps, settings.first_step_weight))

    def options(self, name: str) -> Options:
        """The critic is optimised as the discriminator of an ordinary GAN is (Karras et al. 2018, appendix A)."""
        if name.startswith(CRITIC):
            return self.settings.outer_objective.critic_learning_rate, (0.0, 0.99)
        return super().options(name)

    def clipped(self) -> list[nn.Parameter]:
        return [value for name, value in self.meta.items() if not name.startswith("critic/")]

    def measure(self) -> Row:
        steps = self.settings.validation_steps
        tasks, classes = validation_tasks(self.bank, self.settings, self.seed, max(steps))

        def values_of(gan: Gan) -> tuple[Tensor, dict[str, float]]:
            rest = (self._evaluation_embed[0], self.seed, self.device)
            samples, values = judged_samples(self.task_map, gan, tasks, classes, (0, *steps), *rest)
            per_step = {metric: zip((0, *steps), column, strict=True) for metric, column in values.items()}
            return samples, {f"val/{metric}_{step}": value for metric in per_step for step, value in per_step[metric]}

        if self._scratch_values is None:
            samples, self._scratch_values = values_of(self.gan.with_first_rules(update_rule="sgd"))
            if not self.history:
                self._show(tasks["support"], samples, 0)
        averaged = {**self.fixed_parameters, **self.meta_parameters(averaged=True)}
        samples, row = values_of(replace(self.gan, parameters=averaged))
        for step in steps:
            name = f"recognisability_{step}"
            row[f"val/gap_{step}"] = row[f"val/{name}"] - self._scratch_values[f"val/{name}"]
        # Not recognisability, which does not mind blurred or uniform samples.
        distances = [row[f"val/fjd_{step}"] / self._scratch_values[f"val/fjd_{step}"] for step in steps]
        row["val/score"] = 1 - float(np.mean(distances))
        self.log("gap", row[f"val/gap_{max(steps)}"], prog_bar=True, logger=False, batch_size=1)
        self._show(tasks["support"], samples, self.meta_step)
        return row

    def _show(self, support: Tensor, samples: Tensor, meta_step: int) -> None:
        """Support images, then samples after 0 and more adaptation steps, of the first tasks."""
        if self.show is not None:
            columns = [support[:8, :4].cpu(), *(samples[:8, index, :4] for index in range(samples.shape[1]))]
            self.show(torch.cat(columns, 1), meta_step)


def meta_train(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    settings: MetaTrain,
    trainer: Trainer,
    seed: int,
    folder: Path,
    logger: Logger | None,
    show: Show | None = None,
) -> tuple[SavedModel[GanHeader], list[Row]]:
    """Meta-train and return the averaged meta-parameters that scored best on the val classes, and the history.

    With them comes the temperature that is best on the val classes. An interrupted training with the same parameters,
    task bank and embedders goes on from `folder`. The evaluation embedder only selects; the gradient sees the
    objective embedder alone. Raises UserError when the embedders were trained on another task bank, and when there are
    too few classes or images of one, before training starts.
    """
    origin = together(
        "meta_train",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        objective_embedder=objective_embedder.identity("objective_embedder"),
    )
    bank.check_tasks(settings.section, ("train", "val"), settings.k_shot, settings.n_query)
    start = initial_gan(architecture_of(bank, settings), settings.inner, seed)
    learner = start.learner(settings, load_embedder(objective_embedder, bank))
    embed = load_embedder(evaluation_embedder, bank)
    module = MetaTraining(bank, learner, start, embed, settings, seed, show)
    embedders = (evaluation_embedder.content_hash, objective_embedder.content_hash)
    folder = folder / fingerprint(settings, seed, module.stream.name, *embedders)
    fit(module, folder, logger, trainer, settings.validate_every)
    state, meta_step = best_average(module)
    kept = {name: value for name, value in state.items() if not name.startswith(CRITIC)}
    trained = replace(start, parameters=detached(kept), k_shots=Shots(settings.smallest_k_shot, settings.k_shot))
    task_map, steps = sampling_map(trained, settings), settings.validation_steps
    temperature = best_temperature(bank, embed, task_map, trained, settings, seed, steps)
    provenance = Provenance(seed=seed, seconds=module.seconds, meta_step=meta_step, made_from=origin)
    return replace(trained, temperature=temperature).save("meta_model", provenance), module.history
