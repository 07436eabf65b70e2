"""The comparison of update rules."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from metagan.parameters.meta_train import GanLossName
from metagan.parameters.outer_loop import OuterLoopSettings
from metagan.parameters.section import (
    Count,
    Fraction,
    NonNegative,
    OneOrMore,
    Plural,
    Positive,
    Rate,
    Section,
    Steps,
    Text,
    Width,
)
from metagan.parameters.tasks import SourceName
from metagan.parameters.update_rule import FixedRuleName, UpdateRuleNames, learned_rules, of_each_player

AS_TRAINED = "as trained"
"""The setting in which rules are trained and rates are tuned."""


class LearnedRule(Section):
    """A rule, or one for each player, how it is trained, and whether it rests after as many steps as in training."""

    update_rule: UpdateRuleNames = "mlp"
    rule_training: Literal["unroll", "pes", "ppo"] = "unroll"
    rests: bool = False

    @property
    def name(self) -> str:
        """As files and runs are named, such as `adam-mlp-pes` for a generator with `adam`."""
        rules = of_each_player(self.update_rule)
        names = [self.update_rule] if isinstance(self.update_rule, str) else list(rules.values())
        return "-".join([*map(str, names), self.rule_training, *(["resting"] if self.rests else [])])

    @property
    def trained_by(self) -> str:
        """As tables have it."""
        return f"{self.rule_training}, then rests" if self.rests else self.rule_training

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> LearnedRule:
        if not learned_rules(self.update_rule):
            raise ValueError(f"update_rule: {self.update_rule} has nothing to learn; fixed rules go to rules")
        return self

    @model_validator(mode="after")
    def _what_acts_is_a_controller(self) -> LearnedRule:
        if self.rule_training == "ppo" and self.update_rule != "controller":
            raise ValueError(f"rule_training: ppo trains the controller, not {self.update_rule}; use unroll or pes")
        return self


class PpoSettings(Section):
    """Reinforcement learning of the controller: names as in `bandits.agent`."""

    adaptations: Positive = 2
    updates: Positive = 60
    epochs: Positive = 10
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    discount: Annotated[float, Field(gt=0, le=1)] = 0.95
    trace_decay: Fraction = 0.9
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    entropy: NonNegative = 0.0
    log_deviation: Annotated[float, Field(ge=-5, le=1)] = -1.0
    look_every: Positive = 10


class RandomStart(Section):
    """The networks of a start that nothing was learned of: smaller than those of the meta-model, without an encoder."""

    generator_width: Width = 16
    discriminator_width: Width = 16
    adapt_parameters: Text = "maps|head|bias"


class Elsewhere(Section):
    """A setting that no rule was trained in; what is left out is as it was in training."""

    source: SourceName | None = None
    times_as_wide: Annotated[int, Field(ge=1, le=8)] = 1
    gan_loss: GanLossName | None = None

    @property
    def name(self) -> str:
        """What is another, as tables have it."""
        wide = f"{self.times_as_wide} times as wide" if self.times_as_wide > 1 else None
        return ", ".join(part for part in (self.source, wide, self.gan_loss) if part)

    @model_validator(mode="after")
    def _is_another(self) -> Elsewhere:
        if not self.name:
            raise ValueError("source: name one, or another gan_loss, or times_as_wide above 1: nothing is changed")
        return self


class RuleTraining(OuterLoopSettings):
    """Training of a rule on tasks of `horizon` inner steps, by a few of them at a time."""

    section: ClassVar[str] = "compare_rules.training"

    horizon: Annotated[int, Field(ge=1, le=200)] = 40
    truncation: Positive = 5
    deviation: Annotated[float, Field(gt=0, le=1)] = 0.03
    generator_learning_rate: Rate = 0.03
    discriminator_learning_rate: Rate = 0.03

    @model_validator(mode="after")
    def _a_truncation_fits(self) -> RuleTraining:
        if self.truncation > self.horizon:
            raise ValueError(f"truncation: must be at most horizon = {self.horizon}")
        return self


class CompareRules(Section):
    """Fixed rules, each at its best pair of rates, beside learned ones."""

    starts: OneOrMore[Literal["random", "meta"]] = ("random",)
    random_start: RandomStart = RandomStart()
    rules: OneOrMore[FixedRuleName] = ("sgd", "momentum", "adam")
    learned: tuple[LearnedRule, ...] = Field(default=(LearnedRule(),), strict=False)
    training: RuleTraining = RuleTraining()
    ppo: PpoSettings = PpoSettings()
    elsewhere: tuple[Elsewhere, ...] = Field(default=(), strict=False)
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

    @model_validator(mode="after")
    def _rules_fit_elsewhere(self) -> CompareRules:
        if self.elsewhere and "random" not in self.starts:
            raise ValueError("elsewhere: networks there are random, and random is not among starts")
        if any(setting.times_as_wide > 1 for setting in self.elsewhere):
            for how in self.learned:
                if "meta_sgd" in learned_rules(how.update_rule):
                    raise ValueError("elsewhere: meta_sgd has a rate for each element, and none for wider networks")
        gap_aware = any(rule.startswith("gap_aware") for rule in self.rules)
        if gap_aware and any(setting.gan_loss not in (None, "non_saturating") for setting in self.elsewhere):
            raise ValueError("elsewhere: gan_loss must be non_saturating with gap_aware or gap_aware_at_once in rules")
        return self
