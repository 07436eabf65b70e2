"""Meta-training of the GAN."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from metagan.parameters.example import Example
from metagan.parameters.outer_loop import OuterLoopSettings
from metagan.parameters.section import (
    Count,
    Fraction,
    NonNegative,
    Plural,
    Positive,
    Section,
    Steps,
    Text,
    Width,
)
from metagan.parameters.update_rule import UpdateRuleNames, learned_rules, of_each_player

MetaGradientName = Literal["maml", "fomaml", "reptile"]
"""A new meta-gradient's name goes here; its file has the same name."""
GanLossName = Literal["non_saturating", "hinge", "wgan_gp", "relativistic"]


class Networks(Section):
    generator_width: Width = 48
    discriminator_width: Width = 48
    noise_size: Annotated[int, Field(ge=1, le=512)] = 32
    context_size: Annotated[int, Field(ge=0, le=512)] = 0
    largest_shift: Annotated[int, Field(ge=0, le=16)] = 0
    redrawing_width: Annotated[int, Field(ge=0, le=512)] = 0
    exemplars: Annotated[int, Field(ge=1, le=32)] = 1
    lead: Annotated[float, Field(ge=0, le=20)] = 0.0
    encoder: bool = False
    skip: bool = False

    @model_validator(mode="after")
    def _skips_are_of_an_encoder(self) -> Networks:
        if self.skip and not self.encoder:
            raise ValueError("skip: is a connection of the encoder; set encoder to true, or leave it out")
        return self

    @model_validator(mode="after")
    def _one_of_several_leads(self) -> Networks:
        if self.lead and self.exemplars == 1:
            raise ValueError("lead: is of one of several exemplars; set exemplars to more than 1, or lead to 0")
        return self


class GanArchitecture(Example, Networks):
    """What saved weights of a GAN may say of its networks, and of the examples that they take."""


class InnerLoop(Section):
    """The K adversarial steps on the support set of one task."""

    steps: Annotated[int, Field(ge=1, le=50)] = 5
    update_rule: UpdateRuleNames = "lslr"
    rest_after: Annotated[int, Field(ge=1, le=500)] | None = None
    generator_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    discriminator_learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    gan_loss: GanLossName = "non_saturating"
    r1: NonNegative = 0.0
    r2: NonNegative = 0.0
    adapt_parameters: Text = "all"

    @model_validator(mode="after")
    def _gap_is_of_a_discriminator(self) -> InnerLoop:
        """Their level is the loss of a non-saturating discriminator that cannot tell."""
        rules = of_each_player(self.update_rule)
        if rules["generator"].startswith("gap_aware"):
            raise ValueError(f"update_rule.generator: {rules['generator']} is for the discriminator alone; use sgd")
        if rules["discriminator"].startswith("gap_aware") and self.gan_loss != "non_saturating":
            raise ValueError(f"gan_loss: must be non_saturating with {rules['discriminator']}, not {self.gan_loss}")
        return self

    @field_validator("adapt_parameters")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(
                f"must be 'all', 'context' or a regular expression over parameter names ({error})"
            ) from error
        return value


class OuterObjective(Section):
    """Weights of the terms that judge an adapted generator on the query set; 0 leaves a term out."""

    adversarial: NonNegative = 0.0
    energy: NonNegative = 1.0
    mmd: NonNegative = 0.0
    likelihood: NonNegative = 0.0
    pixel_weight: NonNegative = 0.3
    feature_weight: NonNegative = 1.0
    critic: NonNegative = 0.0
    critic_pairs: bool = False
    critic_width: Width = 32
    critic_learning_rate: Annotated[float, Field(gt=0, le=1)] = 4e-4

    @model_validator(mode="after")
    def _not_empty(self) -> OuterObjective:
        if self.adversarial + self.energy + self.mmd + self.likelihood + self.critic == 0:
            raise ValueError("energy: at least one of adversarial, energy, mmd, likelihood and critic must be above 0")
        if self.energy + self.mmd > 0 and self.pixel_weight + self.feature_weight == 0:
            raise ValueError("pixel_weight: with energy or mmd, it or feature_weight must be above 0")
        return self


class WarmUp(Section):
    """The first meta-steps: by another meta-gradient, or with fewer inner steps."""

    meta_gradient: Literal["none", "fomaml", "reptile"] = "none"
    inner_steps: Count | None = None
    meta_steps: Count = 0


class JointGan(Section):
    """The ordinary GAN on all train classes that the fine_tuned arm starts from."""

    steps_per_meta_step: Annotated[float, Field(gt=0, le=1000)] = 10.0
    batch_size: Plural = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 5e-4
    gan_loss: GanLossName = "non_saturating"
    r1: NonNegative = 1.0


def _after_the_start(value: tuple[int, ...]) -> tuple[int, ...]:
    if value[0] == 0:
        raise ValueError("must leave out 0, which is always measured")
    return value


class MetaTrain(OuterLoopSettings):
    """Meta-training of the GAN, and of the joint GAN that is the fine-tuned arm."""

    section: ClassVar[str] = "meta_train"

    meta_gradient: MetaGradientName = "maml"
    k_shot: Positive = 8
    smallest_k_shot: Positive = 1
    n_query: Plural = 12
    validation_steps: Annotated[Steps, AfterValidator(_after_the_start)] = (5, 20)
    networks: Networks = Networks()
    inner: InnerLoop = InnerLoop()
    start_weight: Fraction = 0.0
    first_step_weight: Fraction = 0.2
    outer_objective: OuterObjective = OuterObjective()
    warm_up: WarmUp = WarmUp()
    joint: JointGan = JointGan()

    @property
    def joint_steps(self) -> int | None:
        """Steps of the joint GAN, which is trained as long as the meta-model; None where only minutes limit both."""
        return self.meta_steps and max(1, round(self.joint.steps_per_meta_step * self.meta_steps))

    @model_validator(mode="after")
    def _shots_are_in_order(self) -> MetaTrain:
        if self.smallest_k_shot > self.k_shot:
            raise ValueError(f"smallest_k_shot: must be at most k_shot = {self.k_shot}")
        return self

    @model_validator(mode="after")
    def _warm_up_is_shorter(self) -> MetaTrain:
        if self.warm_up.inner_steps is not None and self.warm_up.inner_steps > self.inner.steps:
            raise ValueError(f"warm_up.inner_steps: must be at most inner.steps = {self.inner.steps}")
        if self.warm_up.meta_steps and self.warm_up.inner_steps == 0:
            if self.start_weight == 0:
                raise ValueError("start_weight: must be above 0 when warm_up.inner_steps is 0, or nothing is judged")
            if "reptile" in (self.meta_gradient, self.warm_up.meta_gradient):
                raise ValueError("warm_up.inner_steps: must be at least 1 with reptile, which follows the inner steps")
        return self

    @model_validator(mode="after")
    def _pairs_have_a_leader(self) -> MetaTrain:
        if self.outer_objective.critic_pairs and not self.networks.lead:
            raise ValueError("outer_objective.critic_pairs: needs networks.lead above 0, by which an exemplar leads")
        return self

    @model_validator(mode="after")
    def _context_is_there(self) -> MetaTrain:
        if self.inner.adapt_parameters == "context" and self.networks.context_size == 0:
            raise ValueError("networks.context_size: must be above 0 when inner.adapt_parameters is context")
        return self

    @model_validator(mode="after")
    def _rule_is_learned(self) -> MetaTrain:
        if self.meta_gradient == "reptile" and (learned := learned_rules(self.inner.update_rule)):
            raise ValueError(f"inner.update_rule: {learned[0]} is learned, which reptile cannot do; use sgd")
        return self
