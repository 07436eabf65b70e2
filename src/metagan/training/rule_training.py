"""Training of update rules alone: every task begins with networks that are given, or drawn anew."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from metagan.identity import together
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.learners.base import Learner
from metagan.meta.rule_training import blocks, pes, unroll
from metagan.meta.task_parallel import TaskFunction, TaskMap
from metagan.meta.update_rules import learned_names
from metagan.nets.randomness import seeded
from metagan.parameters import CompareRules, LearnedRule, MetaTrain, PpoSettings, RuleTraining, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.adaptation_trials import AdaptationTrials
from metagan.training.curves import area
from metagan.training.data import generation_tasks, task_noise, validation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.fitting import fingerprint, fit
from metagan.training.gan import Gan, initial_networks
from metagan.training.outer_loop import OuterLoop, Row, best_average, step_weights
from metagan.training.saved import EmbedderHeader, GanHeader, Provenance, SavedModel, detached
from metagan.training.trajectories import judged_samples

START_SEED = 1_000_000
"""Random starts of training have seeds from here on: none of them is a start that rules are compared from."""


class RuleLoop(OuterLoop):
    """The outer loop of the rules that `start` has, whose networks it does not change.

    With `random_start` each meta-step has random networks of its own.
    """

    learner: GanLearner
    settings: RuleTraining

    def __init__(
        self,
        bank: TaskBank,
        learner: GanLearner,
        start: Gan,
        random_start: bool,
        how: LearnedRule,
        settings: RuleTraining,
        tasks: MetaTrain,
        evaluation_embed: nn.Module,
        seed: int,
    ) -> None:
        rules = {name: value for name, value in start.parameters.items() if name not in start.networks}
        super().__init__(learner, start.rules, rules, settings)
        self.bank, self.gan, self.seed, self.tasks = bank, start, seed, tasks
        self.how, self.random_start = how, random_start
        self.stream = task_stream(bank, seed, settings.stream)
        self.n_learned = sum(rules[name].numel() for name in learned_names(start.rules, rules))
        self._evaluation_embed = (evaluation_embed,)  # in a tuple: no part of this module and its checkpoints
        self._first: float | None = None

    def on_fit_start(self) -> None:
        self.learner.to(self.device)
        super().on_fit_start()

    def train_tasks(self, indices: range) -> TaskTensors:
        settings, tasks = self.settings, self.tasks
        shape = (tasks.k_shot, tasks.n_query, settings.horizon, tasks.networks)
        drawn = generation_tasks(self.stream, "train", indices, *shape)[0]
        if self.how.rule_training == "pes":
            size = (len(blocks(settings.horizon, settings.truncation)), self.n_learned)
            drawn["perturbations"] = torch.stack([task_noise(self.seed + 1, index, *size) for index in indices])
        return drawn

    def networks(self, meta_step: int) -> Parameters:
        """Where the tasks of a meta-step begin."""
        if not self.random_start:
            return self.gan.networks
        return initial_networks(self.gan.architecture, START_SEED * (self.seed + 1) + meta_step)

    def task_loss(self) -> TaskFunction:
        settings, networks = self.settings, self.networks(self.meta_step)
        train = unroll if self.how.rule_training == "unroll" else partial(pes, deviation=settings.deviation)
        weights = [weight / settings.horizon for weight in step_weights(settings.horizon, 1.0)]

        def loss(learner: Learner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
            everything = {**networks, **self.fixed_parameters, **parameters}
            return train(learner, self.rules, everything, task, weights, differentiate, truncation=settings.truncation)

        return loss

    def trained(self) -> Gan:
        """The start with the rules as they are now, on average."""
        rules = {**self.fixed_parameters, **self.meta_parameters(averaged=True)}
        return replace(self.gan, parameters={**self.gan.networks, **rules})

    def keep(self, row: Row) -> None:
        """The averaged rules, if none before has scored as high."""
        self.history.append({"meta_step": self.meta_step, "seconds": round(self.seconds, 1), "train_loss": None, **row})
        self.keep_best(row["val/score"])

    def measure(self) -> Row:
        """The mean FJD on val classes up to the horizon; the score is by how much it is below that of the start."""
        horizon = self.settings.horizon
        steps = tuple(sorted({0, *(round(horizon * share) for share in (0.1, 0.25, 0.5, 0.75, 1.0))}))
        drawn = validation_tasks(self.bank, self.tasks, self.seed, horizon, self.settings.validation_tasks)
        gan, embed = self.trained(), self._evaluation_embed[0]
        fjd = judged_samples(self.task_map, gan, *drawn, steps, embed, self.seed, self.device)[1]["fjd"]
        mean = area(steps, fjd, horizon)
        if self._first is None:
            self._first = self.history[0]["val/mean_fjd"] if self.history else mean
        row: Row = {f"val/fjd_{step}": value for step, value in zip(steps, fjd, strict=True)}
        return {**row, "val/mean_fjd": mean, "val/score": 1 - mean / self._first}


def judged_by_distances(tasks: MetaTrain) -> MetaTrain:
    """The outer objective of rules: without a critic, and of what the inner steps lead to alone."""
    objective = tasks.outer_objective.model_copy(update={"critic": 0.0})
    return tasks.model_copy(update={"outer_objective": objective, "start_weight": 0.0})


def train_rule(
    bank: TaskBank,
    evaluation_embedder: SavedModel[EmbedderHeader],
    objective_embedder: SavedModel[EmbedderHeader],
    start: Gan,
    random_start: bool,
    how: LearnedRule,
    comparison: CompareRules,
    tasks: MetaTrain,
    trainer: Trainer,
    seed: int,
    folder: Path,
    logger: Logger | None = None,
) -> tuple[SavedModel[GanHeader], list[Row]]:
    """The start with rules that were trained on train classes and scored best on val classes, and the history.

    An interrupted training goes on from `folder`, unless it is one by PPO, which begins anew.
    """
    settings = comparison.training
    inner = {
        "update_rule": how.update_rule,
        "generator_learning_rate": settings.generator_learning_rate,
        "discriminator_learning_rate": settings.discriminator_learning_rate,
        "steps": settings.horizon,
        "rest_after": settings.horizon if how.rests else None,
    }
    start = start.with_first_rules(seed, **inner)
    judged = judged_by_distances(tasks)
    learner = start.learner(judged, load_embedder(objective_embedder, bank))
    embed = load_embedder(evaluation_embedder, bank)
    module = RuleLoop(bank, learner, start, random_start, how, settings, judged, embed, seed)
    origin = together(
        "compare_rules",
        task_bank=bank.identity,
        evaluation_embedder=evaluation_embedder.identity("evaluation_embedder"),
        objective_embedder=objective_embedder.identity("objective_embedder"),
    )
    if how.rule_training == "ppo":
        by_reinforcement(module, comparison.ppo)
    else:
        trained = how.model_dump_json(exclude={"rests"})
        given = (start.content_hash, trained, judged.model_dump_json(), str(random_start))
        embedders = (evaluation_embedder.content_hash, objective_embedder.content_hash)
        own = folder / fingerprint(settings, seed, module.stream.name, *given, *embedders)
        fit(module, own, logger, trainer, settings.validate_every)
    rules, step = best_average(module)
    found = replace(start, parameters=detached({**start.networks, **rules}))
    provenance = Provenance(seed=seed, seconds=module.seconds, meta_step=step, made_from=origin)
    return found.save("learned_rule", provenance), module.history


def by_reinforcement(module: RuleLoop, settings: PpoSettings) -> None:
    """Train the module's controller by PPO; its weights are looked at on the val classes, and the best are kept."""
    from metagan.training.adaptation_environment import train_by_ppo  # what it needs comes with an extra

    bound = module.rules["generator"]
    first = bound.own({**module.fixed_parameters, **module.meta_parameters()})
    count = module.settings.tasks_per_step

    def tasks_of(trial: int) -> TaskTensors:
        return module.train_tasks(range(trial * count, (trial + 1) * count))

    rates = {name: value.detach() for name, value in bound.named(first).items() if ".log_rate." in name}
    trials = AdaptationTrials(
        module.learner, bound.tensors, rates, tasks_of, module.networks, module.settings.horizon, settings.adaptations
    )
    started = perf_counter()
    module.task_map = TaskMap(module.learner, "vmap", module.settings.vmap_chunk)

    def look(weights: Parameters) -> None:
        module.meta_step = trials.trial
        with torch.no_grad():
            for name, value in bound.named(weights).items():
                module.average[name.replace(".", "/")].copy_(value)
        module.seconds = perf_counter() - started
        module.keep(module.measure())

    with seeded(module.seed):
        train_by_ppo(trials, count, first, settings, module.seed, look)
