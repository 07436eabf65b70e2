"""Training on a stream of tasks that changes, and what is done against forgetting."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from metagan.parameters.classifier import ClassifierSettings
from metagan.parameters.meta_train import MetaTrain
from metagan.parameters.section import Fraction, NonNegative, OneOrMore, Plural, Positive, Section
from metagan.parameters.stream import LookName, OrderName

KindName = Literal["none", "reservoir", "ewc", "generated"]
"""A new kind's name goes here; its file in `training/continual` has the same name."""


class Stream(Section):
    """The phases of a stream and their order."""

    order: OrderName = "phases"
    phases: Plural = 3
    by: Literal["group", "class"] = "group"
    looks: OneOrMore[LookName] = ("plain",)
    held_back: Annotated[float, Field(gt=0, lt=1)] = 0.25


class Reservoir(Section):
    tasks: Positive = 8


class Ewc(Section):
    weight: NonNegative = 1000.0
    tasks: Positive = 32


class Generated(Section):
    classes: Positive = 20
    images: Positive = 8


class Continual(Section):
    """Trainings on one stream, a kind each, beside one on the same tasks in random order."""

    learner: Literal["gan", "classifier"] = "gan"
    stream: Stream = Stream()
    kinds: OneOrMore[KindName] = ("none", "generated", "reservoir", "ewc")
    meta_steps: Positive = 180
    tasks: Plural = 32
    step: Positive = 2
    memory: Positive = 160
    replay: Fraction = 0.5
    reservoir: Reservoir = Reservoir()
    ewc: Ewc = Ewc()
    generated: Generated = Generated()
    training: dict[str, object] = Field(default_factory=dict)
    classifier: dict[str, object] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _replay_fits_into_memory(self) -> Continual:
        kept = self.generated.classes * self.generated.images
        if kept > self.memory:
            raise ValueError(
                f"generated.classes: {self.generated.classes} of {self.generated.images} images are {kept}, more than "
                f"memory = {self.memory}"
            )
        return self

    def check_training(self, training: MetaTrain | ClassifierSettings) -> None:
        """Raises ValueError when the training cannot be one on a stream, or needs more than the memory."""
        size = training.k_shot + training.n_query
        if self.reservoir.tasks * size > self.memory:
            raise ValueError(
                f"continual.reservoir.tasks: {self.reservoir.tasks} of {size} images (k_shot + n_query) are "
                f"{self.reservoir.tasks * size}, more than continual.memory = {self.memory}"
            )
        if isinstance(training, ClassifierSettings):
            self._check_classifier(training)
        elif not training.smallest_k_shot <= self.generated.images <= training.k_shot:
            raise ValueError(
                f"continual.generated.images: must be from smallest_k_shot = {training.smallest_k_shot} to k_shot = "
                f"{training.k_shot}, not {self.generated.images}"
            )

    def _check_classifier(self, training: ClassifierSettings) -> None:
        if "generated" in self.kinds:
            raise ValueError("continual.kinds: generated is of a GAN, which a classifier has none of: leave it out")
        if training.method in ("fine_tune", "posterior"):
            of_all = {"fine_tune": "which has no episodes", "posterior": "which wants all train classes at once"}
            reason = of_all[training.method]
            raise ValueError(f"continual.classifier.method: must be another than {training.method}, {reason}")
        if self.reservoir.tasks < training.n_way:
            raise ValueError(
                f"continual.reservoir.tasks: must be at least n_way = {training.n_way}, not {self.reservoir.tasks}"
            )
