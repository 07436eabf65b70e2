"""The contract of an update rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from metagan.meta.differentiation import Parameters

RULE_PREFIX = "rule."
"""Names of a rule's own meta-parameters start with this."""


class UpdateRule(NamedTuple):
    """A pair of pure functions, and whether the rule's meta-parameters are learned in the outer loop.

    `initialise(rates, steps)`: the rule's meta-parameters from one initial rate per adapted tensor.
    `update(meta_parameters, values, gradients, step)`: new values of the tensors in `values`; `step` counts from 0.
    """

    initialise: Callable[[dict[str, float], int], Parameters]
    update: Callable[[Parameters, Parameters, Parameters, int], Parameters]
    learned: bool
