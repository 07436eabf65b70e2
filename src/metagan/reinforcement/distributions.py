"""What a policy draws its actions from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Distribution(Protocol):
    """Of actions (...) or (..., A) in a batch (...)."""

    def sample(self, generator: torch.Generator) -> Tensor: ...

    def log_probability(self, action: Tensor) -> Tensor: ...

    def entropy(self) -> Tensor: ...


@dataclass(frozen=True)
class Choice:
    """One of several actions, int64 (...), by logits (..., actions)."""

    logits: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        chances = self.logits.softmax(-1)
        chosen = torch.multinomial(chances.flatten(0, -2), 1, generator=generator)
        return chosen.reshape(self.logits.shape[:-1])

    def log_probability(self, action: Tensor) -> Tensor:
        return self.logits.log_softmax(-1).gather(-1, action[..., None])[..., 0]

    def entropy(self) -> Tensor:
        logs = self.logits.log_softmax(-1)
        return -(logs.exp() * logs).sum(-1)


@dataclass(frozen=True)
class Gaussian:
    """Independent normal numbers (..., A) by their means (..., A) and the logarithms of their deviations (..., A)."""

    mean: Tensor
    log_deviation: Tensor

    def sample(self, generator: torch.Generator) -> Tensor:
        noise = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.log_deviation.exp() * noise

    def log_probability(self, action: Tensor) -> Tensor:
        distance = (action - self.mean) / self.log_deviation.exp()
        return -(distance.square() / 2 + self.log_deviation + math.log(2 * math.pi) / 2).sum(-1)

    def entropy(self) -> Tensor:
        deviations = self.log_deviation.expand_as(self.mean)
        return (deviations + (1 + math.log(2 * math.pi)) / 2).sum(-1)
