"""Which update rule each player of an inner loop has. A new rule's name goes here; its file has the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, ValidationError

from metagan.parameters.messages import line
from metagan.parameters.section import Section

FixedRuleName = Literal["sgd", "cosine", "momentum", "adam", "lookahead", "gap_aware", "gap_aware_at_once"]
LearnedRuleName = Literal["lslr", "meta_sgd", "recurrent", "mlp", "controller"]
UpdateRuleName = Literal[FixedRuleName, LearnedRuleName]


class PlayerRules(Section):
    """A rule for each player, with meta-parameters and memory of its own."""

    generator: UpdateRuleName = "lslr"
    discriminator: UpdateRuleName = "lslr"


def _one_or_each(value: object) -> object:
    """Tried one after the other, a message would be about both."""
    if isinstance(value, str):
        if value not in get_args(UpdateRuleName):
            raise ValueError(f"is not one of {', '.join(map(repr, get_args(UpdateRuleName)))}")
        return value
    if not isinstance(value, Mapping):
        raise ValueError("must be the name of a rule, or one each: {generator: lslr, discriminator: adam}")
    try:
        return PlayerRules.model_validate(value)
    except ValidationError as error:
        raise ValueError(line(error.errors()[0], PlayerRules)) from None


UpdateRuleNames = Annotated[UpdateRuleName | PlayerRules, BeforeValidator(_one_or_each)]
"""One name is one rule for both players, who share what it learns; or a name for each."""


def of_each_player(names: UpdateRuleName | PlayerRules) -> dict[str, str]:
    """The rule of each player by name."""
    return {player: names if isinstance(names, str) else getattr(names, player) for player in PlayerRules.model_fields}


def learned_rules(names: UpdateRuleName | PlayerRules) -> list[str]:
    """Those of the rules whose meta-parameters the outer loop learns."""
    chosen = [names] if isinstance(names, str) else [name for _, name in names]
    return [name for name in chosen if name in get_args(LearnedRuleName)]
