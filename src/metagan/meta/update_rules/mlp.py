"""A small network for each element, on features of its gradients (Metz et al. 2020, arXiv 2009.11243, appendix B).

It sees the gradient, averages of it and of its square over several spans, their quotients, and the number of the step;
all but the quotients and the number in units of their root mean square over the tensor. Averages are corrected for
their start at 0. Two outputs are what a step's direction differs by from Adam's, and the logarithm of its size. The
network knows no tensor and a rate is one number for each, so that the rule fits networks of any size.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule
from metagan.meta.update_rules.features import EPSILON, SPANS, inverse_root, steps_done

HIDDEN = 32
DECAYS = (0.5, 0.9, 0.99)
SQUARE_DECAY = 0.95
ADAM = 2 + len(DECAYS) + 1 + 1
"""Which feature is the quotient of the average with a decay of 0.9 and the root of that of squares."""
FEATURES = 2 + 2 * len(DECAYS) + 1 + len(SPANS)
SIZE_RANGE = 1.0
"""How much an output of 1 changes the logarithm of a step's size."""


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    """He's normal weights, a tenth of that in the last layer: the first steps are Adam's."""
    generator = torch.Generator().manual_seed(seed)
    some = next(iter(values.values()))
    sizes = [FEATURES, HIDDEN, HIDDEN, 2]
    weights = {f"log_rate.{name}": value.new_tensor(math.log(rates[name])) for name, value in values.items()}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        scale = math.sqrt(2 / inputs) * (1.0 if layer < 2 else 0.1)
        weights[f"weight.{layer}"] = scale * torch.randn(outputs, inputs, generator=generator).to(some)
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
        seen = features(gradient, *corrected(means, square, signals.step + 1), signals.step)
        change, size = network(meta_parameters, seen).unbind(-1)
        direction = change - seen[..., ADAM]
        moved[name] = value + direction * (meta_parameters[f"log_rate.{name}"] + SIZE_RANGE * size).exp()
    return moved, remembered


def corrected(means: list[Tensor], square: Tensor, steps: int) -> tuple[list[Tensor], Tensor]:
    """Averages after so many steps, as if of these alone."""
    without_start = [mean / (1 - decay**steps) for mean, decay in zip(means, DECAYS, strict=True)]
    return without_start, square / (1 - SQUARE_DECAY**steps)


def features(gradient: Tensor, means: list[Tensor], square: Tensor, step: int) -> Tensor:
    """(..., FEATURES) of the elements of a tensor (...)."""
    scale = inverse_root(square)
    in_units = [part * (part.square().mean() + EPSILON).rsqrt() for part in (gradient, *means, square)]
    seen = torch.stack([*in_units, gradient * scale, *(mean * scale for mean in means)], -1)
    return torch.cat([seen, steps_done(step, gradient).expand(*gradient.shape, len(SPANS))], -1)


def network(weights: Parameters, seen: Tensor) -> Tensor:
    """(..., FEATURES) -> (..., 2)."""
    for layer in range(3):
        seen = seen @ weights[f"weight.{layer}"].mT + weights[f"bias.{layer}"]
        seen = seen.tanh() if layer < 2 else seen
    return seen


mlp = UpdateRule(_initialise, _begin, _step, learned=True)
