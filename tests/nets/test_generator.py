from __future__ import annotations

import pytest
import torch

from metagan.nets.generator import Generator


def generator(channels: int = 1, image_size: int = 16, context_size: int = 0) -> Generator:
    return Generator(channels, image_size, width=8, noise_size=5, context_size=context_size)


@pytest.mark.parametrize("image_size", [16, 20, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_the_shape_and_range_asked_for(image_size: int, channels: int) -> None:
    images = generator(channels, image_size)(10 * torch.randn(3, 5))
    assert images.shape == (3, channels, image_size, image_size)
    assert images.min() >= 0
    assert images.max() <= 1


def test_noise_makes_the_difference_between_images() -> None:
    network = generator()
    noise = torch.randn(1, 5).expand(2, -1)
    same, other = network(noise), network(torch.randn(1, 5))
    torch.testing.assert_close(same[0], same[1])
    assert not torch.allclose(same[0], other[0])


def test_an_image_never_depends_on_the_others_of_its_batch() -> None:
    network = generator(context_size=3)
    noise = torch.randn(4, 5)
    torch.testing.assert_close(network(noise)[2:3], network(noise[2:3]))


def test_every_map_and_weight_has_a_gradient() -> None:
    network = Generator(3, 16, width=8, noise_size=5, context_size=0, exemplars=2)
    with torch.no_grad():
        network.maps[0][0] += 1  # equal exemplars mix to the same whatever their shares
    gradients = torch.autograd.grad(network(torch.randn(4, 5)).square().sum(), list(network.parameters()))
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_full_size_map_sets_the_ink_of_each_pixel() -> None:
    """The last map is added to the logits, so that a large one paints its pixel whatever the noise."""
    network = generator()
    with torch.no_grad():
        network.maps[2][:, 0, 3, 7] = 50.0
        network.maps[2][:, 0, 4, 7] = -50.0
        images = network(torch.randn(3, 5))
    assert (images[:, 0, 3, 7] > 0.999).all()
    assert (images[:, 0, 4, 7] < 0.001).all()


def test_noise_says_which_exemplar_an_image_is_drawn_by() -> None:
    """Of two exemplars, one all ink and one without, the mixing weights take one, the other, or what lies between."""
    network = Generator(1, 16, width=8, noise_size=2, context_size=0, exemplars=2)
    with torch.no_grad():
        network.mixing.weight.copy_(100 * torch.eye(2))
        network.maps[2][0], network.maps[2][1] = 50.0, -50.0
        inked, empty, between = network(torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]))
    assert (inked == 1).all()
    assert (empty == 0).all()
    assert ((between > 0.1) & (between < 0.9)).all()


def test_one_of_the_exemplars_leads() -> None:
    """Half of the noise is led by the one that is all ink, half by the one without; the lead is learned."""
    network = Generator(1, 16, width=8, noise_size=2, context_size=0, exemplars=2, lead=30.0)
    with torch.no_grad():
        network.maps[2][0], network.maps[2][1] = 50.0, -50.0
        by_first, by_second = network(torch.tensor([[-0.1, 0.0], [0.1, 0.0]]))
        network.lead.zero_()
        network.mixing.weight.zero_()
        between = network(torch.tensor([[-0.1, 0.0]]))
    assert (by_first == 1).all()
    assert (by_second == 0).all()
    assert ((between > 0.1) & (between < 0.9)).all()


def test_without_context_there_is_no_film() -> None:
    assert not any("film" in name or "context" in name for name, _ in generator().named_parameters())


def test_film_scales_and_shifts_each_channel() -> None:
    """The context's linear map gives a scale and a shift for each channel of both stages, in that order."""
    network = generator(context_size=3)
    width, fine_width = 8, 4
    with torch.no_grad():
        network.context.copy_(torch.tensor([1.0, -2.0, 0.5]))
    film = network.film.weight @ network.context + network.film.bias
    maps = torch.randn(2, width, 4, 4)
    scale, shift = film[:width], film[width : 2 * width]
    expected = maps * (1 + scale[None, :, None, None]) + shift[None, :, None, None]
    torch.testing.assert_close(network._modulate(maps, 0), expected)
    assert len(film) == 2 * (width + fine_width)


def test_context_alone_redraws_the_images() -> None:
    network = generator(context_size=3)
    noise = torch.randn(2, 5)
    before = network(noise)
    (gradient,) = torch.autograd.grad(before.sum(), network.context)
    assert gradient.abs().min() > 0
    with torch.no_grad():
        network.context += 1.0
    assert not torch.allclose(network(noise), before)
