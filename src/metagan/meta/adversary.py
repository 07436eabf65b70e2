"""The adversary of adversarial meta-learning: which images it attacks, and the loss on what it has made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from metagan.errors import UserError
from metagan.losses.attacks import Attack, perturb

Predict = Callable[[Tensor], Tensor]
"""(N, C, H, W) images -> (N, n_way) logits."""


@dataclass(frozen=True)
class Adversary:
    """Attacks the images of a loss.

    `where`: on the support set, on the query set, or on both. `loss`: `adversarial` is the cross-entropy of attacked
    images; `clean_and_adversarial` adds that of the clean ones, `weight` being the share of the attacked; `trades` is
    the clean cross-entropy plus `weight` times the divergence that the attack raises (Zhang et al. 2019, equation 5).
    Raises ValueError for `trades` without a random start: at the clean images the divergence has no gradient.
    """

    where: Literal["support", "query", "both"]
    attack: Attack
    loss: Literal["adversarial", "clean_and_adversarial", "trades"]
    weight: float

    def __post_init__(self) -> None:
        if self.loss == "trades" and not self.attack.random_start:
            raise UserError("adversary.random_start: must be true with trades, whose attack is blind at clean images")

    @property
    def on_support(self) -> bool:
        return self.where in ("support", "both")

    @property
    def on_query(self) -> bool:
        return self.where in ("query", "both")

    def attacked(self, predict: Predict, images: Tensor, labels: Tensor, start: Tensor) -> Tensor:
        """Attacked images, as constants; `start` is the randomness of a random start."""
        if self.loss == "trades":
            target = predict(images).log_softmax(1).detach()
            return perturb(lambda moved: divergence(target, predict(moved)), images, self.attack, start).detach()
        return perturb(lambda moved: F.cross_entropy(predict(moved), labels), images, self.attack, start).detach()

    def robust_loss(
        self, predict: Predict, constant_predict: Predict, images: Tensor, labels: Tensor, start: Tensor
    ) -> Tensor:
        """The loss on clean and attacked images; the attack is on `constant_predict`, without gradients."""
        attacked = self.attacked(constant_predict, images, labels, start)
        if self.loss == "adversarial":
            return F.cross_entropy(predict(attacked), labels)
        logits = predict(images)
        clean = F.cross_entropy(logits, labels)
        if self.loss == "trades":
            return clean + self.weight * divergence(logits.log_softmax(1), predict(attacked))
        return (1 - self.weight) * clean + self.weight * F.cross_entropy(predict(attacked), labels)


def divergence(target: Tensor, logits: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of predictions (N, n_way) from target log-probabilities (N, n_way).

    By hand: under `vmap` torch's own is slow, and says so (2.13).
    """
    return (target.exp() * (target - logits.log_softmax(1))).sum(1).mean()
