"""Adversarial losses on logits, and gradient penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


class GanLoss(NamedTuple):
    """Losses of both players from (N,) real and (M,) generated logits.

    `relativistic`: the generator's loss looks at the real logits too. `gradient_penalty` weighs WGAN-GP's term.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    relativistic: bool = False
    gradient_penalty: float = 0.0


def _relativistic(high: Tensor, low: Tensor) -> Tensor:
    """Relativistic average loss (Jolicoeur-Martineau 2018, equation 8): `high` should beat the mean of `low`."""
    return F.softplus(low.mean() - high).mean() + F.softplus(low - high.mean()).mean()


GAN_LOSSES: dict[str, GanLoss] = {
    # Goodfellow et al. 2014, section 3.
    "non_saturating": GanLoss(
        lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        lambda real, fake: F.softplus(-fake).mean(),
    ),
    # Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17.
    "hinge": GanLoss(
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(), lambda real, fake: -fake.mean()
    ),
    # Gulrajani et al. 2017, equation 3.
    "wgan_gp": GanLoss(
        lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean(), gradient_penalty=10.0
    ),
    "relativistic": GanLoss(_relativistic, lambda real, fake: _relativistic(fake, real), relativistic=True),
}


def input_gradient_norm_squared(critic: Critic, images: Tensor) -> Tensor:
    """(N,) squared norms of the critic's gradient in each image; differentiable.

    Uses `torch.func`, so that it also works under `vmap`.
    """
    gradient = torch.func.grad(lambda batch: critic(batch).sum())(images)
    return gradient.flatten(1).square().sum(1)


def zero_centred_penalty(critic: Critic, images: Tensor) -> Tensor:
    """R1 on real or R2 on generated images (Mescheder et al. 2018, equation 9), without its weight."""
    return 0.5 * input_gradient_norm_squared(critic, images).mean()


def one_centred_penalty(critic: Critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """WGAN-GP's penalty (Gulrajani et al. 2017, equation 3) between pairs mixed by `mix`, (N, 1, 1, 1) in [0, 1]."""
    between = mix * real + (1 - mix) * fake
    return ((input_gradient_norm_squared(critic, between) + 1e-12).sqrt() - 1).square().mean()
