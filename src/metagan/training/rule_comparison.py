"""Update rules against each other: one start, the same tasks, each fixed rule at its best pair of rates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.evaluation.diversity import within_class_spread
from metagan.evaluation.features import Embed, blank_where_diverged, diverged, embed_images
from metagan.evaluation.two_sample import two_sample_on_pixels
from metagan.evaluation.validation import metrics_of_features
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.task_parallel import TaskMap
from metagan.meta.update_rules import Rules
from metagan.parameters import CompareRules, GanArchitecture, InnerLoop, MetaTrain, valid_section
from metagan.parameters.compare_rules import AS_TRAINED
from metagan.parameters.update_rule import of_each_player
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.curves import area
from metagan.training.data import generation_tasks, validation_tasks
from metagan.training.gan import Gan, architecture_of, initial_gan
from metagan.training.temperature import at_temperature
from metagan.training.trajectories import judged_samples, sampling_map

COLLAPSED = 0.5
"""Spread of a task's samples, over that of its real images, below which a generator counts as collapsed."""
VANISHED = 1e-4
"""Norm of the generator's gradient, over that of its first step, below which it counts as vanished."""


@dataclass(frozen=True)
class Judge:
    """What rules are measured with: unseen tasks, an embedder, and the settings of the comparison."""

    bank: TaskBank
    embed: Embed
    settings: CompareRules
    training: MetaTrain
    seed: int


def rule_starts(
    bank: TaskBank, meta_model: Gan, settings: CompareRules, training: MetaTrain, seed: int
) -> dict[str, Gan]:
    """The networks that rules begin with, by the name of the start."""
    small = random_start(architecture_of(bank, training), meta_model.inner, settings)
    made = {"random": lambda: initial_gan(*small, seed), "meta": lambda: meta_model}
    return {name: made[name]() for name in settings.starts}


def random_start(whole: GanArchitecture, inner: InnerLoop, settings: CompareRules) -> tuple[GanArchitecture, InnerLoop]:
    """The architecture and the inner loop of a start that nothing was learned of, from those of the meta-model."""
    own = settings.random_start.model_dump()
    inner = inner.model_copy(update={"adapt_parameters": own.pop("adapt_parameters")})
    return whole.model_copy(update={**own, "encoder": False, "skip": False}), inner


def with_fixed_rule(start: Gan, rule: str, rates: tuple[float, float], steps: int) -> Gan:
    """The same networks, with a rule whose schedule is of `steps` steps. Raises UserError when it does not fit the
    losses."""
    inner = start.inner.model_dump() | {
        "update_rule": rule,
        "generator_learning_rate": rates[0],
        "discriminator_learning_rate": rates[1],
        "steps": steps,
        "rest_after": None,
    }
    if rule.startswith("gap_aware"):
        inner["update_rule"] = {"generator": "sgd", "discriminator": rule}
    checked = valid_section("meta_train.inner", InnerLoop, inner)
    return start.with_first_rules(**{name: getattr(checked, name) for name in inner})


def tuned(judge: Judge, task_map: TaskMap, start: Gan, rule: str) -> tuple[Gan, tuple[float, float]]:
    """The rule at the pair of rates that has the lowest FJD on val classes after `level_step` steps, and the pair."""
    settings, step = judge.settings, judge.settings.level_step
    drawn = validation_tasks(judge.bank, judge.training, judge.seed, step, settings.training.validation_tasks)

    def fjd(rates: tuple[float, float]) -> float:
        gan = with_fixed_rule(start, rule, rates, step)
        return judged_samples(task_map, gan, *drawn, (step,), judge.embed, judge.seed)[1]["fjd"][0]

    best = min(product(settings.generator_rates, settings.discriminator_rates), key=fjd)
    return with_fixed_rule(start, rule, best, step), best


def measured(judge: Judge, task_map: TaskMap, gan: Gan) -> dict[str, Any]:
    """Curves over the steps on unseen classes, seconds of a step for each task, and how often adaptation goes wrong."""
    settings, training = judge.settings, judge.training
    last = max(settings.steps)
    shape = (training.k_shot, training.n_query, last, training.networks)
    tasks, classes = generation_tasks(task_stream(judge.bank, judge.seed), "test", range(settings.n_tasks), *shape)
    started = time.perf_counter()
    seen = dynamics(task_map, gan, tasks, settings.steps)
    seconds = (time.perf_counter() - started) / (last * settings.n_tasks)
    whole = blank_where_diverged(seen.samples)
    made, shown, real = (embed_images(judge.embed, each) for each in (whole, tasks["support"], tasks["query"]))
    curve = metrics_of_features(made, shown, real, np.array(classes), judge.seed)
    if settings.judge_steps:
        rest = (tasks["query"], np.array(classes), settings.judge_steps, judge.seed, ("two_sample",))
        told = [two_sample_on_pixels(gan.domain, whole[:, index], *rest) for index in range(len(settings.steps))]
        curve["two_sample"] = [values["two_sample"] for values in told]
    ratios = [within_class_spread(made[[task], -1]) / within_class_spread(real[[task]]) for task in range(len(real))]
    return {
        "curve": curve,
        "seconds_per_step": seconds,
        "diverged": diverged(seen.samples[:, -1]).any(-1).double().mean().item(),
        "collapsed": float(np.mean(np.array(ratios) < COLLAPSED)),
        "vanished": (seen.gradients[:, 1] < VANISHED * seen.gradients[:, 0]).double().mean().item(),
        "change": dict(zip(GanLearner.players, seen.changes.nan_to_num().mean(0).T.tolist(), strict=True)),
    }


class Dynamics(NamedTuple):
    """How T tasks were adapted: samples (T, S, Q, C, H, W) after S of the steps, as `sample_trajectory` makes them, the
    norms (T, 2) of the generator's gradient before the first step and after the last, and the root mean square (T,
    steps, 2) by which a step changes the tensors of discriminator and generator."""

    samples: Tensor
    gradients: Tensor
    changes: Tensor


def dynamics(task_map: TaskMap, gan: Gan, tasks: TaskTensors, steps: tuple[int, ...]) -> Dynamics:
    """Adapt, draw after each of `steps`, which increase, and look at every step up to the last."""
    last = max(steps)

    def follow(learner: GanLearner, parameters: Parameters, task: TaskTensors, differentiate: Differentiate) -> Tensor:
        places = [place for place, _ in adapt(learner, gan.rules, parameters, task, last, differentiate, False, True)]
        samples = [
            learner.draw(at_temperature(gan.domain, places[step], gan.temperature), task["outer_noise"])
            for step in steps
        ]
        norms = [
            _gradient_norm(learner, gan.rules, places[0], task, 0, differentiate),
            _gradient_norm(learner, gan.rules, places[-1], task, last - 1, differentiate),
        ]
        changes = [_change(before, after, gan.rules) for before, after in pairwise(places)]
        return torch.cat([torch.stack(part).flatten() for part in (samples, norms, changes)])

    found = task_map.results(follow, gan.parameters, tasks)
    shape = (len(steps), tasks["outer_noise"].shape[1], *tasks["support"].shape[2:])
    drawn = found[:, : -2 * (last + 1)].unflatten(1, shape)
    return Dynamics(drawn, found[:, -2 * (last + 1) : -2 * last], found[:, -2 * last :].unflatten(1, (last, 2)))


def _gradient_norm(
    learner: GanLearner, rules: Rules, place: Parameters, task: TaskTensors, step: int, differentiate: Differentiate
) -> Tensor:
    """Of the generator's loss in what it adapts."""
    own = {name: place[name] for name in rules["generator"].tensors if name.startswith("generator.")}

    def loss(candidate: Parameters) -> Tensor:
        return learner.inner_loss("generator", {**place, **candidate}, task, step)

    _, gradients = differentiate(loss, own, False)
    return torch.stack([gradient.square().sum() for gradient in gradients.values()]).sum().sqrt()


def _change(before: Parameters, after: Parameters, rules: Rules) -> Tensor:
    """(2,) of the discriminator and the generator."""
    moved = []
    for player in GanLearner.players:
        names = [name for name in rules[player].tensors if name.startswith(f"{player}.")]
        moved.append(torch.cat([(after[name] - before[name]).flatten() for name in names]).square().mean().sqrt())
    return torch.stack(moved)


def compared(
    judge: Judge, starts: dict[str, Gan], learned: Mapping[str, Mapping[str, tuple[str, Gan]]]
) -> list[dict[str, Any]]:
    """A row for each start and rule: the fixed ones, tuned, and those of `learned` by start: what trained it, and it.

    Steps and seconds to the level are those to the FJD that the best fixed rule has after `level_step` steps from the
    same start; they are None where no measured step has it. The area is the mean of the FJD up to that step.
    """
    rows = []
    for name, start in starts.items():
        task_map, of_start = sampling_map(start, judge.training), []
        for rule in judge.settings.rules:
            gan, rates = tuned(judge, task_map, start, rule)
            of_start.append(row_of(AS_TRAINED, name, gan, measured(judge, task_map, gan), rates, AS_TRAINED))
        for trained_by, gan in learned[name].values():
            of_start.append(row_of(AS_TRAINED, name, gan, measured(judge, task_map, gan), trained_by=trained_by))
        rows += with_speed(of_start, judge.settings)
    return rows


def row_of(
    setting: str,
    start: str,
    gan: Gan,
    found: dict[str, Any],
    rates: tuple[float, float] | None = None,
    tuned_in: str = "",
    trained_by: str = "",
) -> dict[str, Any]:
    """What is `found` of a rule in a setting: a fixed one at the rates that were best in `tuned_in`, or one that was
    `trained_by` something."""
    rules = of_each_player(gan.inner.update_rule)
    return {
        "setting": setting,
        "start": start,
        "rule_generator": rules["generator"],
        "rule_discriminator": rules["discriminator"],
        "rates": rates,
        "tuned_in": tuned_in,
        "trained_by": trained_by,
        **found,
    }


def with_speed(rows: list[dict[str, Any]], settings: CompareRules) -> list[dict[str, Any]]:
    """The rows of one setting, start and seed with how fast they come to the level of the best fixed rule."""
    level = min(at_level(row, settings) for row in rows if not row["trained_by"])
    return [{**row, **_speed(row, settings, level), "level": level} for row in rows]


def at_level(row: dict[str, Any], settings: CompareRules) -> float:
    """The FJD after `level_step` steps."""
    return row["curve"]["fjd"][settings.steps.index(settings.level_step)]


def _speed(row: dict[str, Any], settings: CompareRules, level: float) -> dict[str, Any]:
    fjd = row["curve"]["fjd"]
    reached = next((step for step, value in zip(settings.steps, fjd, strict=True) if value <= level), None)
    return {
        "steps_to_level": reached,
        "seconds_to_level": None if reached is None else reached * row["seconds_per_step"],
        "auc": area(settings.steps, fjd, settings.level_step),
    }
