"""Whole GAN trainings under a controller."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from metagan.parameters.section import NonNegative, OneOrMore, Plural, Positive, Rate, Section, Width

Factor = Annotated[float, Field(gt=1, le=1000)]


class WholeTraining(Section):
    """An ordinary GAN on the images of some classes; `interval` is how many steps lie between two actions."""

    classes: Plural = 40
    steps: Positive = 1000
    batch_size: Plural = 32
    interval: Positive = 25
    generator_width: Width = 8
    discriminator_width: Width = 8
    noise_size: Annotated[int, Field(ge=1, le=512)] = 32
    r1: NonNegative = 1.0

    @model_validator(mode="after")
    def _intervals_fit(self) -> WholeTraining:
        if self.steps % self.interval:
            raise ValueError(f"interval: must divide steps = {self.steps}, not be {self.interval}")
        return self


class ControllerTraining(Section):
    """Evolution of the controller on trainings with settings at random."""

    updates: Positive = 150
    pairs: Positive = 8
    wide_pairs: Positive = 4
    block: Positive = 50
    batch_size: Plural = 16
    samples: Plural = 256
    deviation: Annotated[float, Field(gt=0, le=1)] = 0.3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.02
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.97
    generator_rate: Rate = 0.01
    discriminator_rate: Rate = 0.003
    rate_range: Factor = 10.0
    without_r1: Annotated[float, Field(ge=0, le=1)] = 0.25


class TrainWithRule(Section):
    """What is trained, how its controller is, and what it is compared with."""

    gan: WholeTraining = WholeTraining()
    controller: ControllerTraining = ControllerTraining()
    generator_rates: OneOrMore[Rate] = (0.001, 0.003, 0.01, 0.03, 0.1)
    discriminator_rates: OneOrMore[Rate] = (0.0003, 0.001, 0.003, 0.01, 0.03)
    wrong_by: Factor = 10.0
    measure_every: Positive = 50
    seeds: Plural = 3

    @model_validator(mode="after")
    def _looks_fit(self) -> TrainWithRule:
        gan, block = self.gan, self.controller.block
        if block % gan.interval or gan.steps % block:
            raise ValueError(
                f"controller.block: must be a multiple of gan.interval = {gan.interval} that divides gan.steps = "
                f"{gan.steps}, not {block}"
            )
        if self.measure_every % gan.interval or gan.steps % self.measure_every:
            raise ValueError(
                f"measure_every: must be a multiple of gan.interval = {gan.interval} that divides gan.steps = "
                f"{gan.steps}, not {self.measure_every}"
            )
        if 2 * gan.discriminator_width > 512:
            raise ValueError("gan.discriminator_width: must be at most 256, as one twice as wide is trained too")
        return self
