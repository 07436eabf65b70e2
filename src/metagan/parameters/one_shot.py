"""Published one-shot protocols on Omniglot: the plane of recognisability and diversity, and augmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from metagan.errors import UserError
from metagan.parameters.embedder import EmbedderNetwork, EmbedderWidth
from metagan.parameters.section import Count, ImageSize, OneOrMore, Plural, Positive, Section, Width
from metagan.parameters.tasks import OMNIGLOT_SMALLEST_CLASS, Tasks


class Contrast(Section):
    """Training of the network in whose features diversity is measured."""

    width: EmbedderWidth = 64
    feature_size: Width = 256
    projection_size: Width = 128
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.5
    batch_size: Plural = 64
    steps: Positive = 500
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    seed_offset: Count = 4000


class Plane(Section):
    """Where the model stands in recognisability and diversity."""

    k_shots: OneOrMore[Positive] = (1, 8)
    samples: Plural = 20
    n_way: Plural = 20
    tests: Positive = 500


class AugmentationProtocol(Section):
    """Classifiers from scratch on few real images, with and without samples."""

    class_splits: Plural = 5
    n_way: Plural = 100
    real_images: OneOrMore[Positive] = (5, 10, 15)
    samples: Positive = 48
    judge_steps: Positive = 600


class OneShot(Section):
    image_size: ImageSize = 52
    step: Positive = 5
    recognition: EmbedderNetwork = EmbedderNetwork(
        feature_size=256, episodes=300, n_way=40, n_query=4, learning_rate=3e-3, seed_offset=3000
    )
    contrast: Contrast = Contrast()
    plane: Plane = Plane()
    augmentation: AugmentationProtocol = AugmentationProtocol()

    @model_validator(mode="after")
    def _drawings_are_left_for_the_test(self) -> OneShot:
        for name, value in (
            ("plane.k_shots", max(self.plane.k_shots)),
            ("augmentation.real_images", max(self.augmentation.real_images)),
        ):
            if value >= OMNIGLOT_SMALLEST_CLASS:
                raise ValueError(
                    f"{name}: must be below {OMNIGLOT_SMALLEST_CLASS}, the drawings of a character, some of which test"
                )
        return self

    @staticmethod
    def check_tasks(tasks: Tasks) -> None:
        """Raises UserError for tasks that the protocols are not about."""
        if tasks.source != "omniglot" or tasks.omniglot.split == "vinyals":
            raise UserError(
                "one_shot: needs tasks.source omniglot with tasks.omniglot.split first_characters or alphabets, not "
                f"{tasks.source} with {tasks.omniglot.split}"
            )
