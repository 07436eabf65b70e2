"""Update rules: how an inner step turns gradients into new parameters. A new rule is a new file and a line here."""

from metagan.meta.update_rules.adam import adam
from metagan.meta.update_rules.base import Signals, State, UpdateRule
from metagan.meta.update_rules.binding import RULE_PREFIX, BoundRule, Rules, initialised, separate_rules, shared_rule
from metagan.meta.update_rules.lslr import lslr
from metagan.meta.update_rules.meta_sgd import meta_sgd
from metagan.meta.update_rules.momentum import momentum
from metagan.meta.update_rules.sgd import sgd

UPDATE_RULES: dict[str, UpdateRule] = {
    "sgd": sgd,
    "momentum": momentum,
    "adam": adam,
    "lslr": lslr,
    "meta_sgd": meta_sgd,
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
    "separate_rules",
    "shared_rule",
]
