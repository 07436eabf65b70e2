"""How learned update rules are trained from a start that is given: a scalar of one task for the outer loop."""

from metagan.meta.rule_training.pes import pes
from metagan.meta.rule_training.unroll import blocks, unroll

__all__ = ["blocks", "pes", "unroll"]
