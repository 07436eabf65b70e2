from __future__ import annotations

import torch
import torch.nn.functional as F

from metagan.nets.conv4 import Conv4


def test_forward_is_the_formula() -> None:
    network = Conv4(channels=2, width=6, n_way=3).double()
    images = torch.rand(5, 2, 28, 28, dtype=torch.float64)
    parameters = dict(network.named_parameters())
    features = images
    for block in range(4):
        features = F.conv2d(features, parameters[f"blocks.{3 * block}.weight"], stride=2, padding=1)
        mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), correction=0, keepdim=True)
        scale, shift = (parameters[f"blocks.{3 * block + 1}.{name}"].view(-1, 1, 1) for name in ("weight", "bias"))
        features = ((features - mean) / (variance + 1e-5).sqrt() * scale + shift).clamp(min=0)
    assert features.shape == (5, 6, 2, 2)
    expected = features.mean((2, 3)) @ parameters["head.weight"].T + parameters["head.bias"]
    torch.testing.assert_close(network(images), expected)


def test_statistics_are_always_those_of_the_batch() -> None:
    network = Conv4(channels=1, width=4, n_way=2)
    images = torch.rand(6, 1, 16, 16)
    assert not list(network.buffers())
    torch.testing.assert_close(network.train()(images), network.eval()(images))
