"""What a policy is, and how it plays."""

from __future__ import annotations

from typing import Protocol

from metagan.reinforcement.problems import Family, Indices, Numbers, Seen, Trials


class Policy(Protocol):
    """Acts in N trials at once, from their first step on."""

    def act(self, seen: Seen) -> Indices:
        """(N,) actions after what has been seen."""
        ...


def play(policy: Policy, family: Family, count: int, seed: int) -> Numbers:
    """(N,) total rewards of `count` trials; equal seeds give every policy the same problems and the same luck."""
    trials = Trials(family, count, seed)
    total = trials.seen.reward
    for _ in range(family.steps):
        total = total + trials.step(policy.act(trials.seen)).reward
    return total
