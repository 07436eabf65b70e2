from __future__ import annotations

import pytest
import torch

from metagan.nets.embedder import Embedder


@pytest.mark.parametrize("image_size", [16, 20, 28, 36, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_features_of_every_image_size(image_size: int, channels: int) -> None:
    features = Embedder(channels, width=8, feature_size=6, image_size=image_size)(
        torch.rand(3, channels, image_size, image_size)
    )
    assert features.shape == (3, 6)
    assert features.std() > 0


def test_features_never_depend_on_the_other_images_or_on_the_mode() -> None:
    network, images = Embedder(1, 8, 6, 16), torch.rand(4, 1, 16, 16)
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))
    torch.testing.assert_close(network.train()(images), network.eval()(images))


def test_activations_are_the_channel_means_of_every_block() -> None:
    network, images = Embedder(3, 8, 6, 20), torch.rand(4, 3, 20, 20)
    activations = network.activations(images)
    assert activations.shape == (4, 4 * 8)
    torch.testing.assert_close(activations[:, -8:], network.blocks(images).mean((2, 3)))
    torch.testing.assert_close(activations[:, :8], network.blocks[:3](images).mean((2, 3)))
