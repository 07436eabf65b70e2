"""Lookahead-Minmax (Chavdarova et al. 2021, arXiv 2006.14567, algorithm 1) around gradient descent.

Every few steps a player goes back, part of the way, to where it was; here at the end of its own step, so that within
that step the player who moves second already sees where the first has gone back to.
"""

from __future__ import annotations

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule, fixed_rates

EVERY, KEPT = 5, 0.5
"""k and alpha: steps between two looks, and the share of the way that is kept."""


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    return {**fixed_rates(values, rates), "kept": next(iter(values.values())).new_tensor(KEPT)}


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    return {f"slow.{name}": value for name, value in values.items()}


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    moved = {name: value - meta_parameters[name] * gradients[name] for name, value in values.items()}
    if (signals.step + 1) % EVERY:
        return moved, {}
    slow = {name: state[f"slow.{name}"] for name in values}
    slow = {name: slow[name] + meta_parameters["kept"] * (moved[name] - slow[name]) for name in values}
    return slow, {f"slow.{name}": value for name, value in slow.items()}


lookahead = UpdateRule(_initialise, _begin, _step, learned=False)
