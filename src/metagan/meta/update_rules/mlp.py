"""A small network for each element, on features of its gradients (Metz et al. 2020, arXiv 2009.11243, appendix B).

It sees the gradient, averages of it and of its square over several spans, their quotients, and the number of the step;
all but the quotients and the number in units of their root mean square over the tensor. Two outputs are a step's
direction and the logarithm of its size. The weights know no tensor, so that they fit networks of any size.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule

HIDDEN = 32
DECAYS = (0.5, 0.9, 0.99)
SQUARE_DECAY = 0.95
SPANS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Steps, of which the network sees about how many are done."""
FEATURES = 2 + 2 * len(DECAYS) + 1 + len(SPANS)
SIZE_RANGE = 0.1
"""How much an output of 1 changes the logarithm of a step's size."""
EPSILON = 1e-12


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    """He's normal weights; the outputs are scaled by the geometric mean of the rates."""
    generator = torch.Generator().manual_seed(seed)
    some = next(iter(values.values()))
    sizes = [FEATURES, HIDDEN, HIDDEN, 2]
    weights = {"log_rate": some.new_tensor(sum(math.log(rates[name]) for name in values) / len(values))}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        weights[f"weight.{layer}"] = math.sqrt(2 / inputs) * torch.randn(outputs, inputs, generator=generator).to(some)
        weights[f"bias.{layer}"] = some.new_zeros(outputs)
    return weights


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    parts = [f"mean.{index}" for index in range(len(DECAYS))] + ["square"]
    return {f"{part}.{name}": torch.zeros_like(value) for part in parts for name, value in values.items()}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    moved: Parameters = {}
    remembered: State = {}
    for name, value in values.items():
        gradient = gradients[name]
        means = [decay * state[f"mean.{index}.{name}"] + (1 - decay) * gradient for index, decay in enumerate(DECAYS)]
        square = SQUARE_DECAY * state[f"square.{name}"] + (1 - SQUARE_DECAY) * gradient**2
        remembered |= {f"mean.{index}.{name}": mean for index, mean in enumerate(means)} | {f"square.{name}": square}
        seen = features(gradient, means, square, signals.step)
        direction, size = network(meta_parameters, seen).unbind(-1)
        moved[name] = value + direction * (meta_parameters["log_rate"] + SIZE_RANGE * size).exp()
    return moved, remembered


def features(gradient: Tensor, means: list[Tensor], square: Tensor, step: int) -> Tensor:
    """(..., FEATURES) of the elements of a tensor (...)."""
    scale = (square + EPSILON).rsqrt()
    in_units = [part * (part.square().mean() + EPSILON).rsqrt() for part in (gradient, *means, square)]
    number = torch.tanh(torch.tensor([step / span - 1 for span in SPANS], dtype=gradient.dtype, device=gradient.device))
    seen = torch.stack([*in_units, gradient * scale, *(mean * scale for mean in means)], -1)
    return torch.cat([seen, number.expand(*gradient.shape, len(SPANS))], -1)


def network(weights: Parameters, seen: Tensor) -> Tensor:
    """(..., FEATURES) -> (..., 2)."""
    for layer in range(3):
        seen = seen @ weights[f"weight.{layer}"].mT + weights[f"bias.{layer}"]
        seen = seen.tanh() if layer < 2 else seen
    return seen


mlp = UpdateRule(_initialise, _begin, _step, learned=True)
