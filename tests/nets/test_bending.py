from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, grad, vmap

from metagan.nets.bending import Bending
from metagan.nets.generator import Generator


def bending(largest_shift: int = 3, strength: float = 1.0) -> Bending:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Bending(noise_size=8, image_size=20, largest_shift=largest_shift)
        torch.nn.init.normal_(module.control.weight, std=strength)
    return module


def by_grid_sample(module: Bending, images: Tensor, noise: Tensor) -> Tensor:
    """The same with torch's own interpolation: columns first, then rows."""
    size = images.shape[-1]
    control = torch.tanh(module.control(noise)).unflatten(1, (2, 4, 4))
    field = module.largest_shift * F.interpolate(control, size=(size, size), mode="bilinear", align_corners=True)
    still, places = torch.zeros_like(field[:, 0]), torch.arange(float(size))

    def sample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        grid = torch.stack([places + columns, places.unsqueeze(1) + rows], dim=-1) * 2 / (size - 1) - 1
        return F.grid_sample(images, grid, padding_mode="border", align_corners=True)

    return sample(sample(images, still, field[:, 1]), field[:, 0], still)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("largest_shift", [1, 3])
def test_it_moves_pixels_as_grid_sample_does(channels: int, largest_shift: int) -> None:
    module, images, noise = bending(largest_shift), torch.rand(5, channels, 20, 20), torch.randn(5, 8)
    torch.testing.assert_close(module(images, noise), by_grid_sample(module, images, noise), atol=1e-5, rtol=1e-5)


@given(largest_shift=st.integers(1, 4), strength=st.floats(0, 10), seed=st.integers(0, 1000))
def test_values_stay_between_those_of_the_picture(largest_shift: int, strength: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 1, 20, 20, generator=generator)
    bent = bending(largest_shift, strength)(images, torch.randn(2, 8, generator=generator))
    assert bent.min() >= images.min() - 1e-5
    assert bent.max() <= images.max() + 1e-5


def test_without_noise_nothing_moves() -> None:
    images = torch.rand(2, 1, 20, 20)
    torch.testing.assert_close(bending()(images, torch.zeros(2, 8)), images)


def test_a_strong_field_moves_the_whole_picture_by_the_largest_shift() -> None:
    module, images = bending(3), torch.rand(1, 1, 20, 20)
    with torch.no_grad():
        module.control.weight.fill_(100.0)
    bent = module(images, torch.ones(1, 8))
    torch.testing.assert_close(bent[..., :17, :17], images[..., 3:, 3:])


def test_second_derivatives_are_right_and_batch_over_tasks() -> None:
    module = bending().double()
    images, noise = torch.rand(2, 1, 20, 20).double(), torch.randn(2, 8).double()

    def loss(weight: Tensor) -> Tensor:
        return functional_call(module, {"control.weight": weight}, (images, noise)).square().sum()

    def gradient_size(weight: Tensor) -> Tensor:
        return grad(loss)(weight).square().sum()

    weight, direction = module.control.weight.detach(), torch.randn(32, 8).double()
    second = vmap(grad(gradient_size))(torch.stack([weight, weight + direction]))[0]
    step = 1e-6 * direction
    difference = (gradient_size(weight + step) - gradient_size(weight - step)) / 2e-6
    torch.testing.assert_close((second * direction).sum(), difference, rtol=1e-4, atol=1e-4)


def test_the_generator_bends_what_it_draws_only_when_asked() -> None:
    still = Generator(1, 16, width=8, noise_size=5, context_size=0)
    bent = Generator(1, 16, width=8, noise_size=5, context_size=0, largest_shift=2)
    assert bent.state_dict().keys() - still.state_dict().keys() == {"bending.control.weight"}
    noise = torch.randn(3, 5)
    bent.load_state_dict(still.state_dict() | {"bending.control.weight": torch.zeros(32, 5)})
    torch.testing.assert_close(bent(noise), still(noise))
    with torch.no_grad():
        bent.bending.control.weight.normal_()
    assert not torch.allclose(bent(noise), still(noise))
