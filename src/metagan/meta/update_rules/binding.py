"""Update rules at work: on which tensors, and where in the meta-parameters each finds its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import Signals, State, UpdateRule

RULE_PREFIX = "rule."
"""Names of the rules' meta-parameters and states start with this."""


def without_rules(parameters: Parameters) -> Parameters:
    """The parameters of the networks alone."""
    return {name: value for name, value in parameters.items() if not name.startswith(RULE_PREFIX)}


@dataclass(frozen=True)
class BoundRule:
    """A rule, the tensors that it adapts, and the prefix of its meta-parameters and its state."""

    rule: UpdateRule
    tensors: tuple[str, ...]
    prefix: str = RULE_PREFIX

    def own(self, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of the tensors that are the rule's, by the names that it knows."""
        return {name.removeprefix(self.prefix): value for name, value in named.items() if name.startswith(self.prefix)}

    def named(self, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The rule's tensors by their full names."""
        return {self.prefix + name: value for name, value in own.items()}

    def with_constants(self) -> BoundRule:
        """The same rule, whose meta-parameters get no gradient."""
        rule = self.rule

        def begin(meta_parameters: Parameters, values: Parameters) -> State:
            return rule.begin(_constants(meta_parameters), values)

        def step(
            meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
        ) -> tuple[Parameters, State]:
            return rule.step(_constants(meta_parameters), state, values, gradients, signals)

        return replace(self, rule=rule._replace(begin=begin, step=step))


Rules = dict[str, BoundRule]
"""The rule of each player, by the player's name, with which the names of its tensors start."""


def shared_rule(rule: UpdateRule, tensors: Iterable[str]) -> Rules:
    """One rule for all players of the tensors, who share its meta-parameters and its memory."""
    bound = BoundRule(rule, tuple(tensors))
    return dict.fromkeys((name.split(".")[0] for name in bound.tensors), bound)


def separate_rules(rules: Mapping[str, UpdateRule], tensors: Iterable[str]) -> Rules:
    """A rule for each player, with meta-parameters and memory of its own."""
    tensors = tuple(tensors)
    of_player = {player: tuple(name for name in tensors if name.startswith(f"{player}.")) for player in rules}
    return {
        player: BoundRule(rules[player], own, f"{RULE_PREFIX}{player}.") for player, own in of_player.items() if own
    }


def each_once(rules: Rules) -> Iterable[BoundRule]:
    """The rules, one that players share only once."""
    return {bound.prefix: bound for bound in rules.values()}.values()


def learned_names(rules: Rules, meta_parameters: Parameters) -> list[str]:
    """The meta-parameters of the rules that are learned."""
    learned = tuple(bound.prefix for bound in rules.values() if bound.rule.learned)
    return [name for name in meta_parameters if name.startswith(learned)]


def initialised(rules: Rules, networks: Parameters, rates: dict[str, float], steps: int, seed: int = 0) -> Parameters:
    """The first meta-parameters of all rules, from a rate for each tensor that adapts."""
    found: Parameters = {}
    for bound in each_once(rules):
        values = {name: networks[name] for name in bound.tensors}
        found |= bound.named(bound.rule.initialise(values, {name: rates[name] for name in values}, steps, seed))
    return found


def judged_alone(rules: Rules, judge: str) -> Rules:
    """The rules as one player's outer loss sees them: what the others do is given, also by what they share.

    The judge's comes last, so that a memory that is shared begins as its rule has it.
    """
    others = {player: bound.with_constants() for player, bound in rules.items() if player != judge}
    return {**others, **{player: bound for player, bound in rules.items() if player == judge}}


def _constants(meta_parameters: Parameters) -> Parameters:
    return {name: value.detach() for name, value in meta_parameters.items()}
