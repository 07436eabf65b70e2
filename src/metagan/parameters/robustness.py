"""Accuracy of adapted classifiers under attack."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from metagan.parameters.classifier import ClassifierSettings
from metagan.parameters.method import WITH_HEAD
from metagan.parameters.section import NonNegative, OneOrMore, Plural, Positive, Section, Several

Epsilon = Annotated[float, Field(ge=0.0, le=1.0)]
OneAlone = BeforeValidator(lambda value: [value] if isinstance(value, int) else value)


class RobustnessSettings(Section):
    """Accuracy of adapted classifiers under attack, judged by an independent library."""

    split: Literal["val", "test"] = "test"
    episodes: Plural = 100
    n_way: Annotated[OneOrMore[Plural], OneAlone] = (5,)
    k_shot: Annotated[OneOrMore[Positive], OneAlone] = (1,)
    n_query: Positive = 5
    linf_epsilons: Several[Epsilon] = (0.0, 8 / 255, 16 / 255, 0.1, 0.2, 0.3)
    l2_epsilons: Several[NonNegative] = (0.5, 1.0, 2.0)
    steps: Positive = 20
    restarts: Positive = 1
    poisoned_epsilon: Epsilon | None = 0.1
    masking_episodes: Plural = 20
    auto_attack: bool = False

    @property
    def attacks(self) -> bool:
        """Whether anything is attacked; without radii accuracy alone is measured."""
        return bool(self.linf_epsilons)

    def check_head(self, classifier: ClassifierSettings) -> None:
        """Raises ValueError when the classifier has a head of other ways than those of the episodes."""
        wrong = [n_way for n_way in self.n_way if n_way != classifier.n_way]
        if wrong and classifier.method in WITH_HEAD:
            raise ValueError(
                f"robustness.n_way: {wrong[0]}, but the head of {classifier.method} fits classifier.n_way = "
                f"{classifier.n_way} classes alone"
            )

    @model_validator(mode="after")
    def _attacks_have_radii(self) -> RobustnessSettings:
        others = {"l2_epsilons": self.l2_epsilons, "poisoned_epsilon": self.poisoned_epsilon is not None}
        if not self.attacks and (wanted := [name for name, is_there in others.items() if is_there]):
            raise ValueError(f"linf_epsilons: must name a radius where {wanted[0]} attacks; or leave out all attacks")
        return self

    @model_validator(mode="after")
    def _auto_attack_has_targets(self) -> RobustnessSettings:
        if self.auto_attack and min(self.n_way) < 4:
            raise ValueError(f"n_way: must be at least 4 with auto_attack, not {min(self.n_way)}")
        return self
