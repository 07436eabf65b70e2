"""The comparison of update rules."""

from __future__ import annotations

from pydantic import model_validator

from metagan.parameters.section import Count, OneOrMore, Plural, Positive, Rate, Section, Steps
from metagan.parameters.update_rule import FixedRuleName


class CompareRules(Section):
    """Fixed rules, each at its best pair of rates, beside the rule that the meta-model has learned."""

    rules: OneOrMore[FixedRuleName] = ("sgd", "momentum", "adam")
    generator_rates: OneOrMore[Rate] = (0.01, 0.03, 0.1, 0.3, 1.0)
    discriminator_rates: OneOrMore[Rate] = (0.01, 0.03, 0.1, 0.3, 1.0)
    n_tasks: Plural = 40
    steps: Steps = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 40, 80)
    level_step: Positive = 20
    judge_steps: Count = 80
    seeds: Positive = 1

    @model_validator(mode="after")
    def _level_is_measured(self) -> CompareRules:
        if self.level_step not in self.steps:
            raise ValueError(f"level_step: must be among steps, {list(self.steps)}")
        if self.level_step > 50:
            raise ValueError("level_step: must be at most 50, the longest inner loop")
        if self.steps[0] != 0:
            raise ValueError("steps: must begin with 0, the start that all rules share")
        return self
