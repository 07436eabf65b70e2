from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metagan.meta.differentiation import Differentiate, Parameters, by_autograd, by_functional

engines = pytest.mark.parametrize("differentiate", [by_autograd, by_functional])


def leaf(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


@engines
@pytest.mark.parametrize("create_graph", [False, True])
def test_value_and_gradients(differentiate: Differentiate, create_graph: bool) -> None:
    parameters = {"x": leaf(1.0, 2.0), "y": leaf(3.0)}
    value, gradients = differentiate(lambda p: (p["x"] ** 3).sum() * p["y"].sum(), parameters, create_graph)
    assert value.item() == pytest.approx(27.0)
    torch.testing.assert_close(gradients["x"].detach(), torch.tensor([9.0, 36.0], dtype=torch.float64))
    torch.testing.assert_close(gradients["y"].detach(), torch.tensor([9.0], dtype=torch.float64))


@engines
def test_with_a_graph_value_and_gradients_can_be_differentiated(differentiate: Differentiate) -> None:
    x = leaf(1.0, 2.0)
    value, gradients = differentiate(lambda p: (p["x"] ** 3).sum(), {"x": x}, True)
    (second,) = torch.autograd.grad(gradients["x"].sum(), x, retain_graph=True)
    torch.testing.assert_close(second, 6 * x.detach())
    (first,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(first, 3 * x.detach() ** 2)


@engines
def test_without_a_graph_value_and_gradients_are_constants(differentiate: Differentiate) -> None:
    value, gradients = differentiate(lambda p: (p["x"] ** 3).sum(), {"x": leaf(1.0, 2.0)}, False)
    assert not gradients["x"].requires_grad
    assert not value.requires_grad


@engines
def test_the_gradient_is_partial_when_the_loss_knows_the_tensor_from_before(differentiate: Differentiate) -> None:
    """Earlier inner steps make other tensors depend on this one: d(x * y)/dx at y = x^2 is x^2, not 3 x^2."""
    x = leaf(1.0, 2.0)
    earlier = x**2
    _, gradients = differentiate(lambda p: (p["x"] * earlier).sum(), {"x": x}, True)
    torch.testing.assert_close(gradients["x"].detach(), x.detach() ** 2)
    (second,) = torch.autograd.grad(gradients["x"].sum(), x)  # the way through `earlier` comes back here
    torch.testing.assert_close(second, 2 * x.detach())


@engines
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_tensor_without_influence_has_a_zero_gradient(differentiate: Differentiate, create_graph: bool) -> None:
    _, gradients = differentiate(lambda p: p["x"].sum(), {"x": leaf(1.0), "unused": leaf(2.0, 3.0)}, create_graph)
    assert gradients["unused"].tolist() == [0.0, 0.0]


def test_autograd_works_where_gradients_are_switched_off() -> None:
    """Sampling adapts under `no_grad`."""

    def loss(parameters: Parameters) -> Tensor:
        return (parameters["x"] ** 2).sum()

    with torch.no_grad():
        _, gradients = by_autograd(loss, {"x": leaf(1.5)}, False)
    assert gradients["x"].item() == pytest.approx(3.0)
