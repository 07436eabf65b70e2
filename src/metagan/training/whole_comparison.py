"""Whole GAN trainings under the controller beside the best fixed schedule, from good settings and from wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.evaluation.features import Embed, blank_where_diverged, diverged, embed_images
from metagan.evaluation.frechet import frechet_distance
from metagan.parameters import TrainWithRule
from metagan.tasks.bank import TaskBank
from metagan.training.controlled_training import (
    INPUTS,
    SCHEDULES,
    ControlledTrainings,
    Policy,
    controlled_by,
    first_weights,
)
from metagan.training.gan_stack import GanStack
from metagan.training.saved import ControllerHeader, SavedModel
from metagan.training.whole_gan import architecture_for, check_classes, images_of

_CLASSES = 13
WITHIN = 1.2
"""A final distance of so many times the level, or less, counts as rescued."""


class GanSetting(NamedTuple):
    """What a person sets before a training: rates of generator and discriminator, R1, and a discriminator of twice the
    width or not."""

    rates: tuple[float, float]
    r1: float
    wide: bool = False


@dataclass(frozen=True)
class Curves:
    """Of P trainings: distances (P, M) at the measured steps, rates (P, looks, 2), turns (P, looks), whether a pixel
    is no number at the end (P,), and seconds of one training."""

    frechet: np.ndarray
    rates: Tensor
    turns: Tensor
    diverged: Tensor
    seconds: float


@dataclass(frozen=True)
class WholeTrainings:
    """Trainings on classes that no training of the controller has seen, measured by an embedder that none has seen."""

    bank: TaskBank
    embed: Embed
    settings: TrainWithRule

    @property
    def steps(self) -> list[int]:
        """At which distances are measured."""
        return list(range(0, self.settings.gan.steps + 1, self.settings.measure_every))

    def images(self, split: str, seed: int) -> Tensor:
        """(N, C, H, W) of the classes that a seed stands for."""
        return images_of(self.bank, split, self.settings.gan.classes, np.random.default_rng([seed, _CLASSES]))

    def run(
        self,
        policy: Policy,
        given: Sequence[GanSetting],
        images: Sequence[Tensor],
        seeds: Sequence[int],
        steps: Sequence[int],
    ) -> Curves:
        """The trainings of settings of one architecture, side by side, measured at `steps`; their odd seeds have not
        taught the controller."""
        gan = self.settings.gan
        architecture = architecture_for(self.bank, gan, given[0].wide)
        r1 = torch.tensor([setting.r1 for setting in given])
        stack = GanStack(architecture, images, [2 * seed + 1 for seed in seeds], r1, gan.batch_size)
        rates = torch.tensor([setting.rates for setting in given])
        trainings = ControlledTrainings(stack, rates, gan.steps, gan.interval)
        real = {place: embed_images(self.embed, own) for place, own in {id(own): own for own in images}.items()}
        found, actions, seconds = [], [], 0.0
        for step in range(0, gan.steps + 1, gan.interval):
            if step in steps:
                found.append(self._distances(stack, real))
            if step < gan.steps:
                started = perf_counter()
                actions.append(trainings.advance(policy))
                seconds += perf_counter() - started
        return Curves(
            np.stack(found, 1),
            torch.stack([rates * action.factors for action in actions], 1),
            torch.stack([action.turns for action in actions], 1),
            diverged(stack.samples(64)).any(1),
            seconds / len(given),
        )

    def _distances(self, stack: GanStack, real: dict[int, np.ndarray]) -> list[float]:
        """The Frechet distance of as many samples as there are training images to these, of each training."""
        found = []
        for place, own in enumerate(stack.images):
            made = blank_where_diverged(stack.samples_of(place, len(own)))
            found.append(frechet_distance(embed_images(self.embed, made), real[id(own)]))
        return found

    def tuned(self, seed: int) -> dict[str, Any]:
        """The schedule and the pair of rates with the lowest distance at the end, on val classes; and all of them."""
        settings, tried = self.settings, []
        check_classes(self.bank, settings.gan.classes)
        images = self.images("val", seed)
        pairs = list(product(settings.generator_rates, settings.discriminator_rates))
        given = [GanSetting(pair, settings.gan.r1) for pair in pairs]
        for name, policy in SCHEDULES.items():
            curves = self.run(policy, given, [images] * len(pairs), [seed] * len(pairs), [settings.gan.steps])
            final = curves.frechet[:, -1].tolist()
            tried += [
                {"schedule": name, "rates": list(pair), "final": value}
                for pair, value in zip(pairs, final, strict=True)
            ]
        best = min(tried, key=lambda each: each["final"])
        return {**best, "tried": tried}


def wrong_settings(good: GanSetting, factor: float) -> dict[str, GanSetting]:
    """The good setting and those that are wrong on purpose, by name."""
    rates = good.rates
    return {
        "good": good,
        "rates too high": good._replace(rates=(rates[0] * factor, rates[1] * factor)),
        "rates too low": good._replace(rates=(rates[0] / factor, rates[1] / factor)),
        "no R1": good._replace(r1=0.0),
        "discriminator twice as wide": good._replace(wide=True),
    }


def controller_of(saved: SavedModel[ControllerHeader]) -> Policy:
    """Raises UserError for other weights than those of a controller that sees what trainings show."""
    saved.check_kind("training_controller")
    if saved.header.inputs != INPUTS:
        raise UserError(
            f"training_controller: was trained to see {saved.header.inputs} numbers, but trainings show {INPUTS}: run "
            "the pipeline train_with_rule again"
        )
    return controlled_by(saved.state["weights"])


def compared_whole(
    trainings: WholeTrainings, controller: Policy, tuned: dict[str, Any], seed: int
) -> list[dict[str, Any]]:
    """A row for each setting, policy and seed of test classes and first weights.

    `untrained` is the controller before any training, so that what was learned can be told from what it began with. The
    level is what the tuned schedule has at the end from the good setting with the same seed.
    """
    settings = trainings.settings
    seeds = range(seed, seed + settings.seeds)
    images = {own: trainings.images("test", own) for own in seeds}
    good = GanSetting(tuple(tuned["rates"]), settings.gan.r1)
    named = wrong_settings(good, settings.wrong_by)
    rows = []
    policies = {"fixed": SCHEDULES[tuned["schedule"]], "untrained": controlled_by(first_weights())}
    for name, policy in {**policies, "controller": controller}.items():
        for wide in (False, True):
            chosen = [(setting, given, own) for own in seeds for setting, given in named.items() if given.wide is wide]
            curves = trainings.run(
                policy,
                [given for _, given, _ in chosen],
                [images[own] for *_, own in chosen],
                [own for *_, own in chosen],
                trainings.steps,
            )
            rows += [_row(name, *place, curves, index) for index, place in enumerate(chosen)]
    levels = {row["seed"]: row["final"] for row in rows if (row["policy"], row["setting"]) == ("fixed", "good")}
    return [{**row, **_against(row, levels[row["seed"]], trainings.steps)} for row in rows]


def _row(policy: str, setting: str, given: GanSetting, seed: int, curves: Curves, index: int) -> dict[str, Any]:
    frechet = curves.frechet[index].tolist()
    return {
        "setting": setting,
        "policy": policy,
        "seed": seed,
        "set": {"rates": list(given.rates), "r1": given.r1},
        "frechet": frechet,
        "final": frechet[-1],
        "rates": curves.rates[index].tolist(),
        "turns": curves.turns[index].tolist(),
        "diverged": bool(curves.diverged[index]),
        "seconds": curves.seconds,
    }


def _against(row: dict[str, Any], level: float, steps: Sequence[int]) -> dict[str, Any]:
    reached = next((step for step, value in zip(steps, row["frechet"], strict=True) if value <= level), None)
    return {
        "level": level,
        "steps_to_level": reached,
        "share_of_steps": None if reached is None else reached / steps[-1],
        "over_level": row["final"] / level if level else None,
        "rescued": row["final"] <= WITHIN * level,
    }
