from __future__ import annotations

import pytest
import torch

from metagan.nets.encoder import Encoder
from metagan.nets.generator import Generator


def drawing_encoder(channels: int = 1) -> Encoder:
    """An encoder whose heads are no longer at zero."""
    encoder = Encoder(channels, width=8)
    with torch.no_grad():
        for head in encoder.to_maps:
            head.weight.normal_()
    return encoder


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 16), (1, 64)])
def test_it_has_the_shapes_of_the_generators_maps_and_adds_nothing_at_first(channels: int, size: int) -> None:
    maps = Encoder(channels, width=8)(torch.rand(5, channels, size, size))
    expected = Generator(channels, size, width=8, noise_size=4, context_size=0).maps
    assert [part.shape for part in maps] == [part.shape for part in expected]
    assert all((part == 0).all() for part in maps)


def test_a_set_is_its_mean_whatever_its_order_and_size() -> None:
    encoder, support = drawing_encoder(), torch.rand(6, 1, 16, 16)
    first, second, whole = encoder(support[:2]), encoder(support[2:]), encoder(support)
    for small, large, both in zip(first, second, whole, strict=True):
        torch.testing.assert_close((2 * small + 4 * large) / 6, both)
        assert not torch.allclose(small, large)
    for part, turned in zip(whole, encoder(support.flip(0)), strict=True):
        torch.testing.assert_close(part, turned)
