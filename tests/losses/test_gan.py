"""GAN losses against their formulas, penalties against critics whose gradient is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.losses.gan import GAN_LOSSES, input_gradient_norm_squared, one_centred_penalty, zero_centred_penalty

REAL, FAKE = np.array([1.3, -0.2, 0.4]), np.array([-0.7, 2.1, 0.1, -1.5])
IMAGE = (2, 3, 3)


def softplus(values: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(values))


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


FORMULAS = {
    "non_saturating": (
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
        -np.log(sigmoid(FAKE)).mean(),
    ),
    "hinge": (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
    "wgan_gp": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    "relativistic": (
        -np.log(sigmoid(REAL - FAKE.mean())).mean() - np.log(1 - sigmoid(FAKE - REAL.mean())).mean(),
        -np.log(sigmoid(FAKE - REAL.mean())).mean() - np.log(1 - sigmoid(REAL - FAKE.mean())).mean(),
    ),
}


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_both_players_losses_are_the_papers(name: str) -> None:
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    discriminator, generator = FORMULAS[name]
    assert GAN_LOSSES[name].discriminator(real, fake).item() == pytest.approx(discriminator, rel=1e-12)
    assert GAN_LOSSES[name].generator(real, fake).item() == pytest.approx(generator, rel=1e-12)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_better_logits_lower_the_losses(name: str) -> None:
    real, fake = torch.zeros(4), torch.zeros(4)
    loss = GAN_LOSSES[name]
    assert loss.discriminator(real + 0.5, fake - 0.5) < loss.discriminator(real, fake)
    assert loss.generator(real, fake + 0.5) < loss.generator(real, fake)


@pytest.mark.parametrize("name", [name for name, loss in GAN_LOSSES.items() if not loss.relativistic])
def test_only_relativistic_generators_look_at_real_logits(name: str) -> None:
    fake = torch.from_numpy(FAKE)
    loss = GAN_LOSSES[name].generator
    assert loss(torch.from_numpy(REAL), fake) == loss(fake.new_zeros(0), fake)


def test_losses_stay_finite_for_extreme_logits() -> None:
    extreme = torch.tensor([-1e4, 1e4], requires_grad=True)
    for loss in GAN_LOSSES.values():
        (gradient,) = torch.autograd.grad(
            loss.discriminator(extreme, extreme) + loss.generator(extreme, extreme), extreme
        )
        assert gradient.isfinite().all()


def images(n: int, seed: int) -> Tensor:
    return torch.rand(n, *IMAGE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_gradient_of_a_quadratic_critic() -> None:
    """f(x) = s |x|^2 / 2 has the gradient s x."""
    batch = images(5, 0)
    norms = input_gradient_norm_squared(lambda x: 1.5 * x.flatten(1).square().sum(1), batch)
    torch.testing.assert_close(norms, 9 * batch.flatten(1).square().sum(1))


def test_zero_centred_penalty_of_a_linear_critic_and_its_own_gradient() -> None:
    """R1 of f(x) = <w, x> is |w|^2 / 2 wherever the images lie, and its gradient in w is w."""
    weights = images(1, 1)[0].requires_grad_()
    penalty = zero_centred_penalty(lambda x: (x * weights).flatten(1).sum(1), images(4, 2))
    torch.testing.assert_close(penalty, 0.5 * weights.square().sum())
    (gradient,) = torch.autograd.grad(penalty, weights)
    torch.testing.assert_close(gradient, weights)


@pytest.mark.parametrize(("norm", "expected"), [(0.5, 0.25), (1.0, 0.0), (3.0, 4.0)])
def test_one_centred_penalty_of_a_linear_critic(norm: float, expected: float) -> None:
    weights = torch.full(IMAGE, norm / math.sqrt(math.prod(IMAGE)), dtype=torch.float64)
    mix = torch.full((4, 1, 1, 1), 0.3, dtype=torch.float64)
    penalty = one_centred_penalty(lambda x: (x * weights).flatten(1).sum(1), images(4, 3), images(4, 4), mix)
    assert penalty.item() == pytest.approx(expected, abs=1e-10)


def test_one_centred_penalty_is_taken_between_each_pair() -> None:
    """A quadratic critic's gradient norm is the norm of the point where it is taken."""
    real, fake = images(3, 5), images(3, 6)
    mix = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)[:, None, None, None]
    points = torch.stack([fake[0], 0.25 * real[1] + 0.75 * fake[1], real[2]])
    expected = (points.flatten(1).norm(dim=1) - 1).square().mean()
    penalty = one_centred_penalty(lambda x: 0.5 * x.flatten(1).square().sum(1), real, fake, mix)
    torch.testing.assert_close(penalty, expected, rtol=1e-9, atol=0)


def test_a_flat_critic_has_finite_penalty_gradients() -> None:
    weights = torch.zeros(IMAGE, requires_grad=True)
    penalty = one_centred_penalty(
        lambda x: (x * weights).flatten(1).sum(1), torch.rand(2, *IMAGE), torch.rand(2, *IMAGE), torch.rand(2, 1, 1, 1)
    )
    (gradient,) = torch.autograd.grad(penalty, weights)
    assert gradient.isfinite().all()
