"""Reinforcement learning of how to adapt, on problems with known answers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from metagan.parameters.section import Fraction, NonNegative, OneOrMore, Plural, Positive, Section

Discount = Annotated[float, Field(gt=0, lt=1)]


class BanditProblem(Section):
    """A Bernoulli bandit."""

    pulls: Annotated[int, Field(ge=1, le=1000)]
    arms: Annotated[int, Field(ge=2, le=100)]


class MdpProblem(Section):
    """A tabular MDP: how many episodes a trial has."""

    episodes: Annotated[int, Field(ge=1, le=100)]


class AgentSettings(Section):
    """RL²: a recurrent policy, trained by PPO."""

    steps: Positive = 3_000_000
    steps_per_update: Plural = 20_000
    epochs: Positive = 4
    minibatches: Positive = 4
    hidden_size: Annotated[int, Field(ge=8, le=1024)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.1
    entropy: NonNegative = 0.02
    discount: Discount = 0.99
    trace_decay: Fraction = 0.9


class Bandits(Section):
    """What the agent is compared with, on what, and how it is trained."""

    bandits: tuple[BanditProblem, ...] = Field(default=(BanditProblem(pulls=10, arms=5),), strict=False)
    mdps: tuple[MdpProblem, ...] = Field(default=(), strict=False)
    bandit_trials: Plural = 20_000
    mdp_trials: Plural = 4_000
    tuning_trials: Plural = 1_000
    ucb_bonuses: OneOrMore[NonNegative] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    gittins_discounts: OneOrMore[Discount] = (0.9, 0.97, 0.99)
    epsilons: OneOrMore[Fraction] = (0.0, 0.1, 0.2)
    agent: AgentSettings = AgentSettings()

    @model_validator(mode="after")
    def _there_is_a_problem(self) -> Bandits:
        if not self.bandits and not self.mdps:
            raise ValueError("bandits: there must be a problem here or in mdps")
        return self
