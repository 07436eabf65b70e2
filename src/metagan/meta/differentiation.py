"""Gradients of a scalar function of a parameter dictionary, by one of two engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

Parameters = dict[str, Tensor]
Loss = Callable[[Parameters], Tensor]


class Differentiate(Protocol):
    """(loss, parameters, create_graph) -> (value, gradients). Without `create_graph` both are constants."""

    def __call__(self, loss: Loss, parameters: Parameters, create_graph: bool) -> tuple[Tensor, Parameters]: ...


def by_autograd(loss: Loss, parameters: Parameters, create_graph: bool) -> tuple[Tensor, Parameters]:
    """The faster engine; does not work under `vmap`."""
    with torch.enable_grad():
        if create_graph:
            # Aliases, because the loss may depend on the tensors themselves in other ways too, through earlier inner
            # steps; the gradient meant is the partial one.
            inputs = {name: value.view_as(value) for name, value in parameters.items()}
        else:
            inputs = {name: value.detach() for name, value in parameters.items()}
        for value in inputs.values():
            if not value.requires_grad:
                value.requires_grad_()
        result = loss(inputs)
        gradients = torch.autograd.grad(
            result, list(inputs.values()), create_graph=create_graph, materialize_grads=True
        )
    return result if create_graph else result.detach(), dict(zip(inputs, gradients, strict=True))


def by_functional(loss: Loss, parameters: Parameters, create_graph: bool) -> tuple[Tensor, Parameters]:
    """The engine for `vmap`, built on `torch.func`."""
    gradients, value = torch.func.grad_and_value(loss)(parameters)
    if create_graph:
        return value, gradients
    return value.detach(), {name: gradient.detach() for name, gradient in gradients.items()}
