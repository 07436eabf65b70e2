"""Comparisons of methods and of meta-gradients."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from metagan.parameters.method import MethodName
from metagan.parameters.section import Name, OneOrMore, Positive, Section


class CompareClassifiers(Section):
    """Methods, each with every adversary: by name, what it changes in `classifier.adversary`."""

    side_by_side: Positive = 1
    methods: OneOrMore[MethodName] = ("prototypical", "maml")
    adversaries: dict[Name, dict[str, object]] = Field(default_factory=dict)


def _maml_alone() -> dict[str, dict[str, object]]:
    return {"maml": {"meta_gradient": "maml"}}


class CompareMetaGradients(Section):
    """Arms by name, each with what it changes in `meta_train`."""

    side_by_side: Positive = 1
    minutes: Annotated[float, Field(gt=0)] = 6.0
    arms: Annotated[dict[Name, dict[str, object]], Field(min_length=1)] = Field(default_factory=_maml_alone)

    @property
    def budget(self) -> dict[str, object]:
        """What of `meta_train` is the same for all arms."""
        return {"meta_steps": None, "minutes": self.minutes}
