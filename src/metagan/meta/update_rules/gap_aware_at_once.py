"""The gap-aware rate by the loss of the step itself: in few steps the running average of `gap_aware` hardly moves."""

from metagan.meta.update_rules.gap_aware import gap_aware_rule

gap_aware_at_once = gap_aware_rule(memory=0.0)
