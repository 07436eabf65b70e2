"""Update rules: how an inner step turns gradients into new parameters. A new rule is a new file and a line here."""

from metagan.meta.update_rules.base import UpdateRule
from metagan.meta.update_rules.lslr import lslr
from metagan.meta.update_rules.sgd import sgd

UPDATE_RULES = {"sgd": sgd, "lslr": lslr}

__all__ = ["UPDATE_RULES", "UpdateRule"]
