"""Whole GAN trainings whose rates, and how often the discriminator steps, are set anew every few steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metagan.meta.update_rules.controller import RANGE, rate_factor
from metagan.training.gan_stack import MOST_TURNS, PLAYERS, SIGNALS, GanStack

USUAL_RATE = 0.01
"""Rates are seen in relation to it."""
SLOW = 0.75
"""What the slow averages keep from look to look."""
OBSERVED = len(SIGNALS) + 1
"""What is seen of a training's course: signals and the distance, now and on average."""
INPUTS = 2 * OBSERVED + 1 + 2 * len(PLAYERS) + 1 + 1 + 1
OUTPUTS = len(PLAYERS) + 1
LARGEST = 5.0
"""Of what is seen."""


class Action(NamedTuple):
    """What is set until the next look: factors (P, 2) of the rates of generator and discriminator, each from 1 / 100 to
    100, and how often the discriminator steps, (P,) from 1 to MOST_TURNS."""

    factors: Tensor
    turns: Tensor


class Look(NamedTuple):
    """What P trainings show: `seen` (P, INPUTS) for a controller, and the share (P,) of the training that is done."""

    seen: Tensor
    share: Tensor


Policy = Callable[[Look], Action]


def constant(look: Look) -> Action:
    """Rates as they are set, one step each."""
    return Action(look.share.new_ones(len(look.share), 2), torch.ones(len(look.share), dtype=torch.long))


def cosine(look: Look) -> Action:
    """Rates that fall along half a cosine to a hundredth."""
    factors, turns = constant(look)
    return Action(factors * (0.01 + 0.99 * (1 + (math.pi * look.share).cos()) / 2)[:, None], turns)


SCHEDULES: dict[str, Policy] = {"constant": constant, "cosine": cosine}


def controlled_by(weights: Tensor) -> Policy:
    """The controller: a linear map of what is seen, one for all trainings (OUTPUTS, INPUTS) or one each (P, ...)."""

    def act(look: Look) -> Action:
        raw = (weights @ look.seen[..., None])[..., 0].T
        factors = torch.stack([rate_factor(raw, player) for player in range(len(PLAYERS))], 1)
        return Action(factors, (1 + raw[-1]).round().clamp(1, MOST_TURNS).long())

    return act


class ControlledTrainings:
    """P trainings of `length` steps, with rates (P, 2) that are set, which a policy changes every `interval` steps."""

    def __init__(self, stack: GanStack, rates: Tensor, length: int, interval: int) -> None:
        self.stack, self.rates, self.length, self.interval = stack, rates, length, interval
        count = len(rates)
        self.memory = {
            "signals": torch.zeros(count, len(SIGNALS)),
            "slow": torch.zeros(count, OBSERVED),
            "distance": torch.zeros(count),
            "factors": torch.ones(count, len(PLAYERS)),
            "turns": torch.ones(count, dtype=torch.long),
        }

    def begin_anew(self, place: int, rates: Tensor) -> None:
        """Forget what was seen of a training, in the place of which the stack has another."""
        self.rates[place] = rates
        for name, value in self.memory.items():
            value[place] = 1 if name in ("factors", "turns") else 0

    def advance(self, policy: Policy, looks: int = 1) -> Action:
        """Go on until so many looks later. Returns what was set at last."""
        for _ in range(looks):
            action = policy(self._look())
            self.memory |= {"factors": action.factors.float(), "turns": action.turns}
            steps = [self.stack.step(self.rates * action.factors, action.turns) for _ in range(self.interval)]
            self.memory["signals"] = torch.stack(steps).mean(0).float()
        return action

    def _look(self) -> Look:
        memory, started = self.memory, (self.stack.steps > 0)[:, None]
        losses, norms, told = memory["signals"].split(2, 1)
        distance = self.stack.distances().float().nan_to_num(100.0).clamp_min(1e-6).log()
        course = torch.cat([losses.abs().log1p(), (norms + 1e-6).log() / 3, 2 * told - 1], 1)
        course = torch.cat([torch.where(started, course, 0.0), distance[:, None] / 3], 1)
        course = course.nan_to_num(LARGEST, LARGEST, -LARGEST).clamp(-LARGEST, LARGEST)
        fall = torch.where(started[:, 0], memory["distance"] - distance, 0.0)
        memory["distance"] = distance
        memory["slow"] = torch.where(started, SLOW * memory["slow"] + (1 - SLOW) * course, course)
        share = self.stack.steps / self.length
        parts = [course, memory["slow"], fall[:, None], (self.rates / USUAL_RATE).log() / 2, memory["factors"].log() / 2]
        parts += [memory["turns"][:, None] - 1.0, 2 * share[:, None] - 1, torch.ones(len(share), 1)]
        return Look(torch.cat([part.float() for part in parts], 1).clamp(-LARGEST, LARGEST), share)
