"""What policies earn on the same trials; the constants of those that nobody has to train are chosen on other trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from metagan.reinforcement import bandit_policies
from metagan.reinforcement.bandit_policies import IndexPolicy
from metagan.reinforcement.mdp_policies import ModelPolicy
from metagan.reinforcement.policies import Policy, play
from metagan.reinforcement.problems import Family, Numbers

TUNING_SEED, TEST_SEED = 10_000_019, 20_000_003
"""Added to a run's seed: the trials that constants are chosen on, and those that count; the agent has seen neither."""

PUBLISHED: dict[str, dict[str, float]] = {
    "bandit 10x5": {"rl2": 6.7, "gittins": 6.6, "ucb1": 6.7, "thompson": 5.7, "random": 5.0},
    "bandit 100x5": {"rl2": 78.7, "gittins": 78.3, "ucb1": 78.0, "thompson": 74.7, "random": 49.9},
    "bandit 100x10": {"rl2": 83.5, "gittins": 82.8, "ucb1": 82.4, "thompson": 76.7, "random": 49.9},
    "mdp 10": {"rl2": 156.2, "psrl": 138.1, "random": 100.1},
    "mdp 25": {"rl2": 445.7, "psrl": 408.8, "random": 250.2},
}
"""Tables 1 and 2 of arXiv 1611.02779."""

MakePolicy = Callable[[int], Policy]
"""A new policy from the seed of its own luck."""


class Candidates(NamedTuple):
    """One kind of policy, for each value of its constant; a kind without one has the value None."""

    name: str
    policies: dict[float | None, MakePolicy]


def bandit_candidates(family: Family, bonuses: Sequence[float], discounts: Sequence[float]) -> list[Candidates]:
    index = partial(partial, IndexPolicy, family)
    return [
        Candidates("random", {None: index(bandit_policies.random)}),
        Candidates("greedy", {None: index(bandit_policies.greedy)}),
        Candidates("ucb1", {bonus: index(bandit_policies.ucb1(bonus)) for bonus in bonuses}),
        Candidates("thompson", {None: index(bandit_policies.thompson)}),
        Candidates("gittins", {each: index(bandit_policies.gittins(family.steps, each)) for each in discounts}),
    ]


def mdp_candidates(family: Family, epsilons: Sequence[float]) -> list[Candidates]:
    return [
        Candidates("random", {None: partial(ModelPolicy, family, False, 1.0)}),
        Candidates("epsilon_greedy", {epsilon: partial(ModelPolicy, family, False, epsilon) for epsilon in epsilons}),
        Candidates("psrl", {None: partial(ModelPolicy, family, True, 0.0)}),
    ]


def best(candidates: Candidates, family: Family, trials: int, seed: int) -> tuple[float | None, MakePolicy]:
    """The constant, and its policy, that earns most on `trials` trials."""
    values: Iterable[tuple[float | None, MakePolicy]] = candidates.policies.items()
    if len(candidates.policies) == 1:
        return next(iter(values))
    return max(values, key=lambda item: earned(item[1], family, trials, seed + TUNING_SEED).mean())


def earned(make: MakePolicy, family: Family, trials: int, seed: int) -> Numbers:
    """(N,) total rewards; the policy's own luck has another seed than the problems."""
    return play(make(seed + 1), family, trials, seed)
