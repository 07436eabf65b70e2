"""A rule that stops: what was trained for a few steps is not asked for more."""

from __future__ import annotations

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule


def resting(rule: UpdateRule, after: int) -> UpdateRule:
    """The rule for the first `after` inner steps of a task; then values and memory stay as they are."""

    def step(
        meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
    ) -> tuple[Parameters, State]:
        if signals.step >= after:
            return values, {}
        return rule.step(meta_parameters, state, values, gradients, signals)

    return rule._replace(step=step)
