"""Which update rule each player of an inner loop has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationError

from metagan.parameters.messages import line
from metagan.parameters.section import Section


def _known(name: str) -> str:
    from metagan.meta.update_rules import UPDATE_RULES  # the table has the names, and needs torch

    if name not in UPDATE_RULES:
        raise ValueError(f"is not one of {', '.join(map(repr, UPDATE_RULES))}")
    return name


UpdateRuleName = Annotated[str, AfterValidator(_known)]


class PlayerRules(Section):
    """A rule for each player, with meta-parameters and memory of its own."""

    generator: UpdateRuleName = "lslr"
    discriminator: UpdateRuleName = "lslr"


def _one_or_each(value: object) -> object:
    if isinstance(value, str):
        return _known(value)
    if not isinstance(value, Mapping):
        raise ValueError("must be the name of a rule, or one each: {generator: lslr, discriminator: adam}")
    try:
        return PlayerRules.model_validate(value)
    except ValidationError as error:
        raise ValueError(line(error.errors()[0], PlayerRules)) from None


UpdateRuleNames = Annotated[str | PlayerRules, BeforeValidator(_one_or_each)]
"""One name is one rule for both players, who share what it learns; or a name for each."""


def learned_rules(names: str | PlayerRules) -> list[str]:
    """Those of the rules whose meta-parameters the outer loop learns."""
    from metagan.meta.update_rules import UPDATE_RULES

    chosen = [names] if isinstance(names, str) else [name for _, name in names]
    return [name for name in chosen if UPDATE_RULES[name].learned]
