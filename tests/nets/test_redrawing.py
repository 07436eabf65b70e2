from __future__ import annotations

import pytest
import torch

from metagan.nets.generator import Generator
from metagan.nets.redrawing import Redrawing


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 16)])
def test_at_first_it_changes_nothing_and_then_what_noise_says(channels: int, size: int) -> None:
    redrawing = Redrawing(channels, width=8, noise_size=5)
    drawn = torch.randn(1, channels, size, size).expand(2, -1, -1, -1)
    torch.testing.assert_close(redrawing(drawn, torch.randn(2, 5)), drawn, rtol=0, atol=0)
    with torch.no_grad():
        redrawing.last.weight.normal_()
    first, second = redrawing(drawn, torch.randn(2, 5))
    assert not torch.allclose(first, second)


def test_what_it_adds_has_no_stripes_of_two_pixels() -> None:
    """Also where the four pixels of a block get channels that differ; inside, where the edge plays no part."""
    redrawing = Redrawing(1, width=8, noise_size=5)
    with torch.no_grad():
        redrawing.last.bias.normal_()
    added = redrawing(torch.zeros(1, 1, 16, 16), torch.zeros(1, 5))[..., 1:-1, 1:-1]
    assert added.std() < 1e-6 < added.abs().max()


def test_second_derivatives_are_right() -> None:
    redrawing = Redrawing(1, width=4, noise_size=2).double()
    redrawing.activation = torch.nn.Softplus()
    with torch.no_grad():
        redrawing.last.weight.normal_()
    drawn = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(redrawing, (drawn, noise))


def test_the_generator_redraws_only_when_asked() -> None:
    plain = Generator(1, 16, width=8, noise_size=5, context_size=0)
    redrawn = Generator(1, 16, width=8, noise_size=5, context_size=0, redrawing_width=8)
    added = redrawn.state_dict().keys() - plain.state_dict().keys()
    assert added
    assert all(name.startswith("redrawing.") for name in added)
    noise = torch.randn(3, 5)
    redrawn.load_state_dict(redrawn.state_dict() | plain.state_dict())
    torch.testing.assert_close(redrawn(noise), plain(noise), rtol=0, atol=0)
    with torch.no_grad():
        redrawn.redrawing.last.bias.fill_(3.0)
    assert (redrawn(noise) > plain(noise)).any()
