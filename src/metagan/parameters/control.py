"""Learning to find a goal in the plane: RL² beside MAML with policy gradients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from metagan.parameters.bandits import AgentSettings, Discount
from metagan.parameters.section import OneOrMore, Plural, Positive, Section

Rate = Annotated[float, Field(gt=0, le=100)]


class PolicyGradientSettings(Section):
    """MAML through one inner step of a policy gradient; `steps` of them are measured."""

    updates: Positive = 300
    goals_per_update: Plural = 20
    walks: Plural = 20
    hidden_size: Annotated[int, Field(ge=8, le=1024)] = 64
    inner_learning_rate: Rate = 1.0
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    discount: Discount = 0.99
    steps: Annotated[int, Field(ge=1, le=50)] = 3


class Control(Section):
    """How long a walk is, how many are in a trial, and what is trained."""

    horizon: Annotated[int, Field(ge=1, le=1000)] = 100
    episodes: Annotated[int, Field(ge=1, le=100)] = 2
    goals: Plural = 400
    tuning_goals: Plural = 100
    untrained_rates: OneOrMore[Rate] = (0.1, 0.3, 1.0, 3.0, 10.0)
    agent: AgentSettings = AgentSettings()
    maml: PolicyGradientSettings = PolicyGradientSettings()
