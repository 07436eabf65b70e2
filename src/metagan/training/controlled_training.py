"""Whole GAN trainings whose rates, and how often the discriminator steps, are set anew every few steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metagan.meta.update_rules.controller import rate_factor
from metagan.training.gan_stack import MOST_TURNS, PLAYERS, SIGNALS, GanStack

USUAL_RATES = (0.01, 0.003)
"""Of generator and discriminator: rates are seen in relation to these, and the first controller returns to them."""
INPUTS = len(SIGNALS) + 2 + len(PLAYERS) + 1 + len(PLAYERS) + 2
"""Signals, the distance and its fall, the last action, the rates that are set, the share that is done, and a one."""
OUTPUTS = len(PLAYERS) + 1
LARGEST = 5.0
"""Of what is seen."""


class Action(NamedTuple):
    """What is set until the next look: factors (P, 2) of the rates of generator and discriminator, each from 1 / 100 to
    100, and how often the discriminator steps, (P,) from 1 to MOST_TURNS."""

    factors: Tensor
    turns: Tensor


class Glance(NamedTuple):
    """What P trainings show: `seen` (P, INPUTS) for a controller, and the share (P,) of the training that is done."""

    seen: Tensor
    share: Tensor


Policy = Callable[[Glance], Action]


def constant(glance: Glance) -> Action:
    """Rates as they are set, one step each."""
    return Action(glance.share.new_ones(len(glance.share), 2), torch.ones(len(glance.share), dtype=torch.long))


def cosine(glance: Glance) -> Action:
    """Rates that fall along half a cosine to a hundredth."""
    factors, turns = constant(glance)
    return Action(factors * (0.01 + 0.99 * (1 + (math.pi * glance.share).cos()) / 2)[:, None], turns)


SCHEDULES: dict[str, Policy] = {"constant": constant, "cosine": cosine}


def controlled_by(weights: Tensor) -> Policy:
    """The controller: a linear map of what is seen, one for all trainings (OUTPUTS, INPUTS) or one each (P, ...)."""

    def act(glance: Glance) -> Action:
        raw = (weights @ glance.seen[..., None])[..., 0].T
        factors = torch.stack([rate_factor(raw, player) for player in range(len(PLAYERS))], 1)
        return Action(factors, (1 + raw[-1]).round().clamp(1, MOST_TURNS).long())

    return act


def first_weights() -> Tensor:
    """(OUTPUTS, INPUTS) of the controller before any training: it goes to the usual rates from others, and one step."""
    weights = torch.zeros(OUTPUTS, INPUTS)
    for player in range(len(PLAYERS)):
        weights[player, player - len(PLAYERS) - 2] = -2.0  # of halved logarithms
    return weights


class ControlledTrainings:
    """P trainings of `length` steps, with rates (P, 2) that are set, which a policy changes every `interval` steps."""

    def __init__(self, stack: GanStack, rates: Tensor, length: int, interval: int) -> None:
        self.stack, self.rates, self.length, self.interval = stack, rates, length, interval
        count = len(rates)
        self.memory = {
            "signals": torch.zeros(count, len(SIGNALS)),
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
            action = policy(self._glance())
            self.memory |= {"factors": action.factors.float(), "turns": action.turns}
            steps = [self.stack.step(self.rates * action.factors, action.turns) for _ in range(self.interval)]
            self.memory["signals"] = torch.stack(steps).mean(0).float()
        return action

    def _glance(self) -> Glance:
        """What is of less use is seen in smaller numbers: evolution disturbs all weights alike."""
        memory, started = self.memory, self.stack.steps > 0
        losses, norms, told = memory["signals"].split(2, 1)
        distance = self.stack.distances().float().nan_to_num(100.0).clamp_min(1e-6).log()
        fall = torch.where(started, memory["distance"] - distance, 0.0)
        memory["distance"] = distance
        share = self.stack.steps / self.length
        course = torch.cat([losses.abs().log1p(), (norms + 1e-6).log() / 3, 2 * told - 1], 1).nan_to_num(LARGEST)
        parts = [torch.where(started[:, None], course, 0.0) / 3, (distance / 3)[:, None], fall[:, None]]
        parts += [memory["factors"].log() / 6, (memory["turns"][:, None] - 1) / 3]
        parts += [(self.rates / torch.tensor(USUAL_RATES)).log() / 2, 2 * share[:, None] - 1, torch.ones(len(share), 1)]
        return Glance(torch.cat([part.float() for part in parts], 1).clamp(-LARGEST, LARGEST), share)
