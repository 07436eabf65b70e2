from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from metagan.nets.conv4 import Conv4, Statistics, moments

each_pooling = pytest.mark.parametrize("pooling", ["max", "stride"])


def build(pooling: str, outputs: int = 3, size: int = 32) -> Conv4:
    """Scales and shifts away from 1 and 0, so that they count."""
    network = Conv4(2, 4, size, outputs, pooling).double()
    for norm in network.norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 2.0)
        torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    return network


def images(number: int = 5, size: int = 32) -> Tensor:
    return torch.rand(number, 2, size, size, dtype=torch.float64)


def by_formula(network: Conv4, values: Tensor, statistics: Statistics | None = None) -> Tensor:
    """With torch's own BatchNorm: of the batch, or with given running statistics."""
    parameters = dict(network.named_parameters())
    for block in range(4):
        stride = 2 if network.pooling == "stride" else 1
        values = F.conv2d(values, parameters[f"convolutions.{block}.weight"], stride=stride, padding=1)
        scale, shift = (parameters[f"norms.{block}.{name}"] for name in ("weight", "bias"))
        if statistics is None:
            values = F.batch_norm(values, None, None, scale, shift, training=True)
        else:
            mean, variance = (part.flatten() for part in statistics[block])
            values = F.batch_norm(values, mean, variance, scale, shift, training=False)
        values = values.clamp(min=0)
        if network.pooling == "max":
            values = F.max_pool2d(values, 2)
    values = values.mean((2, 3)) if network.pooling == "stride" else values.flatten(1)
    return values @ parameters["head.weight"].T + parameters["head.bias"]


@each_pooling
def test_forward_is_the_formula(pooling: str) -> None:
    network, batch = build(pooling), images()
    torch.testing.assert_close(network(batch), by_formula(network, batch))


@each_pooling
def test_given_statistics_take_the_place_of_the_batch_s(pooling: str) -> None:
    network, batch = build(pooling), images()
    given = [(torch.randn(1, 4, 1, 1).double(), torch.rand(1, 4, 1, 1).double() + 0.5) for _ in range(4)]
    torch.testing.assert_close(network(batch, given), by_formula(network, batch, given))
    torch.testing.assert_close(network(batch, given)[:1], network(batch[:1], given))
    assert not torch.allclose(network(batch, given), network(batch))


@each_pooling
def test_found_statistics_are_those_that_were_used(pooling: str) -> None:
    network, batch, found = build(pooling).requires_grad_(False), images(), []
    logits = network(batch, found=found)
    assert len(found) == 4
    before_norm = F.conv2d(batch, network.convolutions[0].weight, stride=2 if pooling == "stride" else 1, padding=1)
    torch.testing.assert_close(found[0][0].flatten(), before_norm.mean((0, 2, 3)))
    torch.testing.assert_close(found[0][1].flatten(), before_norm.var((0, 2, 3), correction=0))
    torch.testing.assert_close(network(batch, found), logits)
    torch.testing.assert_close(by_formula(network, batch, found), logits)


@pytest.mark.parametrize(("mean", "deviation"), [(1000.0, 0.1), (-50.0, 0.01), (0.0, 1.0)])
def test_a_variance_that_is_small_beside_the_mean_is_not_lost(mean: float, deviation: float) -> None:
    values = mean + deviation * torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found_mean, found_variance = moments(values)
    exact = values.double()
    torch.testing.assert_close(found_mean.double(), exact.mean((0, 2, 3), keepdim=True), rtol=1e-6, atol=1e-6)
    expected = exact.var((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(found_variance.double(), expected, rtol=1e-4, atol=0)


def test_moments_have_first_and_second_derivatives() -> None:
    values = torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(moments, values)
    assert torch.autograd.gradgradcheck(moments, values)


@pytest.mark.parametrize(
    ("pooling", "size", "features"), [("stride", 28, 4), ("max", 16, 4), ("max", 28, 4), ("max", 32, 16)]
)
def test_without_outputs_it_gives_features(pooling: str, size: int, features: int) -> None:
    network = build(pooling, outputs=0, size=size)
    assert network.feature_size == features
    assert network(images(size=size)).shape == (5, features)
    assert not any(name.startswith("head") for name, _ in network.named_parameters())


def test_it_is_a_function_of_parameters_and_images_alone() -> None:
    network, batch = build("stride"), images()
    assert not list(network.buffers())
    assert torch.equal(network.train()(batch), network.eval()(batch))


@pytest.mark.parametrize("channels", [1, 3])
def test_no_convolution_leaves_the_layout_that_all_are_fast_in(channels: int) -> None:
    """Nor with weights that an inner step has changed, which may lie otherwise."""
    network = Conv4(channels, 8, 28)
    outputs: list[torch.Tensor] = []
    for convolution in network.convolutions:
        convolution.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    changed = {name: value.detach().contiguous() for name, value in network.named_parameters()}
    functional_call(network, changed, torch.rand(5, channels, 28, 28))
    assert len(outputs) == 4
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in outputs)
