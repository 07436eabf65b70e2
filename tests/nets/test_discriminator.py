from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

from metagan.nets.discriminator import Discriminator

HEADS = ("head_pixels", "head_fine", "head_coarse", "head_deep")


def discriminator(channels: int = 1, image_size: int = 16) -> Discriminator:
    """With heads as after some training; they start at zero."""
    network = Discriminator(channels, image_size, width=8)
    for head in HEADS:
        torch.nn.init.normal_(network.get_submodule(head).weight, std=0.1)
    return network


def test_at_first_all_images_have_one_logit_and_every_head_a_gradient() -> None:
    network = Discriminator(1, 16, width=8)
    logits = network(torch.rand(5, 1, 16, 16))
    assert logits.std() == 0
    logits.sum().backward()
    assert all(network.get_submodule(head).weight.grad.abs().max() > 0 for head in HEADS)


@pytest.mark.parametrize("image_size", [16, 20, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_logit_for_each_image(image_size: int, channels: int) -> None:
    logits = discriminator(channels, image_size)(torch.rand(5, channels, image_size, image_size))
    assert logits.shape == (5,)
    assert logits.std() > 0


def test_a_logit_never_depends_on_the_other_images() -> None:
    """Real and generated images go through in one batch; statistics of the batch would leak between them."""
    network, images = discriminator(), torch.rand(4, 1, 16, 16)
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


@pytest.mark.parametrize("head", HEADS)
def test_one_step_on_a_head_tells_two_pictures_apart(head: str) -> None:
    network = discriminator()
    real, fake = torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16)
    name = f"{head}.weight"
    weights = {name: dict(network.named_parameters())[name]}

    def gap(candidate: dict[str, torch.Tensor]) -> torch.Tensor:
        return (functional_call(network, candidate, (real,)) - functional_call(network, candidate, (fake,))).sum()

    before = gap(weights)
    (gradient,) = torch.autograd.grad(before, weights[name])
    gained = (gap({name: weights[name] + gradient}) - before).item()
    assert gained == pytest.approx(gradient.square().sum().item(), rel=1e-3)  # a head is linear
    assert gained > 0
