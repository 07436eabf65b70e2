from __future__ import annotations

import pytest
import torch

from metagan.nets.encoder import Encoder
from metagan.nets.generator import Generator
from metagan.nets.ink import Ink


def drawing_encoder(exemplars: int = 1) -> Encoder:
    """An encoder whose heads and skip connection are no longer at zero."""
    encoder = Encoder(1, width=8, exemplars=exemplars, skip=True)
    with torch.no_grad():
        encoder.skip.normal_()
        for head in encoder.to_maps:
            head.weight.normal_()
    return encoder


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 16), (1, 64)])
def test_it_has_the_shapes_of_the_generators_maps_and_adds_nothing_at_first(channels: int, size: int) -> None:
    maps = Encoder(channels, width=8, exemplars=3, skip=True)(torch.rand(5, channels, size, size))
    expected = Generator(channels, size, width=8, noise_size=4, context_size=0, exemplars=3).maps
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


@pytest.mark.parametrize("k_shot", [1, 2, 3, 4, 8])
def test_every_exemplar_starts_from_its_share_of_the_set(k_shot: int) -> None:
    """Image k belongs to exemplar k modulo 3; where images are fewer, exemplar e has image e modulo their number."""
    several, single, support = drawing_encoder(3), drawing_encoder(), torch.rand(k_shot, 1, 16, 16)
    single.load_state_dict(several.state_dict())
    maps = several(support)
    for exemplar in range(3):
        share = support[exemplar::3] if k_shot >= 3 else support[exemplar % k_shot][None]
        for part, expected in zip(maps, single(share), strict=True):
            torch.testing.assert_close(part[exemplar], expected[0])


def test_at_a_weight_of_1_the_skip_connection_draws_the_image_that_an_exemplar_has() -> None:
    """Beside what a generator begins with; where an exemplar has two, the mean of their logits."""
    encoder, support = Encoder(3, width=8, exemplars=2, skip=True), torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        encoder.skip.fill_(1.0)
    first = Generator(3, 16, width=8, noise_size=4, context_size=0, exemplars=2).maps[2]
    drawn = Ink()(first + encoder(support)[2])
    torch.testing.assert_close(drawn[1], support[1])
    between = torch.minimum(support[0], support[2]) <= drawn[0], drawn[0] <= torch.maximum(support[0], support[2])
    assert all(part.all() for part in between)
