"""Attacks: images moved within a small ball so that a loss rises."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from metagan.errors import UserError

Norm = Literal["linf", "l2"]
Loss = Callable[[Tensor], Tensor]
"""(N, C, H, W) images in [0, 1] -> scalar, a sum or mean over images."""


class _Ball(NamedTuple):
    """What a norm means for changes of (N, C, H, W) images, each image's change by itself."""

    project: Callable[[Tensor, float], Tensor]
    """(change, epsilon) -> the nearest change in the ball of that radius."""
    steepest: Callable[[Tensor], Tensor]
    """Gradient -> the change of norm 1 that raises the loss most; zero where the gradient is."""
    start: Callable[[Tensor], Tensor]
    """Randomness -> a change that is uniform in the ball of radius 1."""


def _squared_norm(change: Tensor) -> Tensor:
    return change.square().sum((1, 2, 3), keepdim=True)


def _project_l2(change: Tensor, epsilon: float) -> Tensor:
    # Squares are kept above zero before the root, so that derivatives of all orders are finite.
    return change * (epsilon / _squared_norm(change).clamp_min(max(epsilon, 1e-12) ** 2).sqrt())


def _steepest_l2(gradient: Tensor) -> Tensor:
    # A confident network has tiny gradients, whose squares would vanish. Any constant factor leaves the direction, and
    # therefore its derivatives, as they are.
    largest = gradient.detach().abs().amax((1, 2, 3), keepdim=True)
    scaled = gradient / largest.masked_fill(largest < 1e-30, 1)
    return scaled / _squared_norm(scaled).clamp_min(0.5).sqrt()


def _start_l2(normal: Tensor) -> Tensor:
    """Direction and length of a normal vector are independent; the length's distribution function makes the radius."""
    dimensions = normal[0].numel()
    squared = _squared_norm(normal).clamp_min(1e-30)
    share = torch.special.gammainc(torch.full_like(squared, dimensions / 2), squared / 2)
    return normal / squared.sqrt() * share ** (1 / dimensions)


_BALLS: dict[Norm, _Ball] = {
    "linf": _Ball(
        project=lambda change, epsilon: change.clamp(-epsilon, epsilon),
        # The sign's derivative is zero: nothing is recorded for it.
        steepest=lambda gradient: gradient.detach().sign(),
        start=lambda uniform: uniform,
    ),
    "l2": _Ball(project=_project_l2, steepest=_steepest_l2, start=_start_l2),
}


@dataclass(frozen=True)
class Attack:
    """Steps of length `step_size` that raise a loss, each followed by projection to the ball and to [0, 1].

    `epsilon`, the ball's radius, is in [0, 1] for linf. Raises ValueError for values out of range.
    """

    norm: Norm
    epsilon: float
    steps: int
    step_size: float
    random_start: bool

    def __post_init__(self) -> None:
        if self.norm not in _BALLS:
            raise UserError(f"norm is {self.norm!r}; valid: {', '.join(_BALLS)}")
        if self.norm == "linf" and not 0 <= self.epsilon <= 1:
            raise UserError(f"epsilon must be in [0, 1] for the norm linf, not {self.epsilon}")
        if not 0 <= self.epsilon < math.inf:
            raise UserError(f"epsilon must be a finite number of at least 0, not {self.epsilon}")
        if self.steps < 1:
            raise UserError(f"steps must be at least 1, not {self.steps}")
        if not 0 <= self.step_size < math.inf:
            raise UserError(f"step_size must be a finite number of at least 0, not {self.step_size}")


def fgsm(norm: Norm, epsilon: float, random_start: bool = False) -> Attack:
    """One step (Goodfellow et al. 2015), with a random start one of 1.25 epsilon (Wong et al. 2020)."""
    return Attack(norm, epsilon, 1, 1.25 * epsilon if random_start else epsilon, random_start)


def pgd(norm: Norm, epsilon: float, steps: int, step_size: float | None = None, random_start: bool = True) -> Attack:
    """Projected gradient descent (Madry et al. 2018). All steps together are 2.5 epsilon long by default."""
    if step_size is None:
        step_size = 2.5 * epsilon / max(steps, 1)
    return Attack(norm, epsilon, steps, step_size, random_start)


def perturb(loss: Loss, images: Tensor, attack: Attack, start: Tensor) -> Tensor:
    """(N, C, H, W) images of a higher loss, in the attack's ball around `images` and in [0, 1], as those must be.

    `start` is the randomness of a random start, of the images' shape: uniform on [-1, 1] for linf, standard normal for
    l2, from which a uniform point in the ball is made; otherwise it is not looked at. Raises ValueError if its shape
    differs. The result is differentiable in what the loss closes over; for linf that derivative is zero. Works under
    `vmap` and `no_grad`.
    """
    if attack.random_start and start.shape != images.shape:
        raise ValueError(f"start must have the images' shape {tuple(images.shape)}, not {tuple(start.shape)}")
    ball = _BALLS[attack.norm]
    gradient = torch.func.grad(loss)
    attacked = (images + attack.epsilon * ball.start(start)).clamp(0, 1) if attack.random_start else images
    for _ in range(attack.steps):
        change = attacked + attack.step_size * ball.steepest(gradient(attacked)) - images
        attacked = (images + ball.project(change, attack.epsilon)).clamp(0, 1)
    return attacked
