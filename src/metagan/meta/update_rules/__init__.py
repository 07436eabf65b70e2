"""Update rules: how an inner step turns gradients into new parameters.

A new rule is a file here that has the rule's name, and a line in `metagan.parameters.update_rule`.
"""

from importlib import import_module
from typing import get_args

from metagan.meta.update_rules.base import Signals, State, UpdateRule
from metagan.meta.update_rules.binding import (
    RULE_PREFIX,
    BoundRule,
    Rules,
    initialised,
    learned_names,
    separate_rules,
    shared_rule,
    without_rules,
)
from metagan.meta.update_rules.resting import resting
from metagan.parameters.update_rule import UpdateRuleName

UPDATE_RULES: dict[str, UpdateRule] = {
    name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(UpdateRuleName)
}

__all__ = [
    "RULE_PREFIX",
    "UPDATE_RULES",
    "BoundRule",
    "Rules",
    "Signals",
    "State",
    "UpdateRule",
    "initialised",
    "learned_names",
    "resting",
    "separate_rules",
    "shared_rule",
    "without_rules",
]
