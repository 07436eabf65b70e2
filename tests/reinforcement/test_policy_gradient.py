from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call

from metagan.reinforcement.navigation import Navigation
from metagan.reinforcement.policy_gradient import (
    PolicyGradient,
    PolicyTraining,
    Walked,
    adaptation,
    adapted,
    initialised,
    loss,
    of_each,
    policy,
    surprises,
    walk,
)

SMALL = PolicyGradient(
    updates=3, goals_per_update=3, walks=4, hidden_size=8, inner_learning_rate=0.5, learning_rate=1e-2, discount=0.9
)
FAMILY = Navigation(6, 1)
GOALS = FAMILY.goals(3, 0)
UNIT = torch.tensor(0.7)


def start(seed: int = 0) -> dict[str, torch.Tensor]:
    return initialised(8, torch.Generator().manual_seed(seed))


def walks_of(parameters: dict[str, torch.Tensor], seed: int = 1) -> Walked:
    return walk(parameters, 6, GOALS, 4, torch.Generator().manual_seed(seed))


def test_the_policy_is_the_network_that_torch_makes_of_its_weights() -> None:
    parameters, layers = start(), [torch.nn.Linear(2, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 2)]
    network = torch.nn.Sequential(layers[0], torch.nn.Tanh(), layers[1], torch.nn.Tanh(), layers[2])
    named = {f"{2 * layer}.weight": parameters[f"weight.{layer}"].T for layer in range(3)}
    named |= {f"{2 * layer}.bias": parameters[f"bias.{layer}"] for layer in range(3)}
    seen = torch.rand(1, 5, 2, generator=torch.Generator().manual_seed(0))
    moves = policy(of_each(parameters, 1), seen)
    torch.testing.assert_close(moves.mean, functional_call(network, named, (2 * seen,)))


def test_surprises_by_their_definition() -> None:
    reward = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0))
    found = surprises(reward, 0.9)
    to_come = torch.stack([sum(0.9**later * reward[:, step + later] for later in range(5 - step)) for step in range(5)])
    torch.testing.assert_close(found, (to_come - to_come.mean(2, keepdim=True)).transpose(0, 1))


def test_meta_gradients_are_those_of_finite_differences() -> None:
    """Of the loss of given walks after an inner step on given walks, in float64."""
    first = {name: value.double() for name, value in start().items()}
    before, after = (
        Walked(*(part.double() for part in walks_of(of_each(start(), 3), seed)[:3]), np.zeros(0)) for seed in (1, 2)
    )

    def outer(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        moved = adapted(of_each(parameters, 3), before, 0.5, 0.9, UNIT, create_graph=True)
        return loss(moved, after, 0.9, UNIT).mean()

    watched = {name: value.clone().requires_grad_() for name, value in first.items()}
    outer(watched).backward()
    generator = torch.Generator().manual_seed(3)
    for name, value in first.items():
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        there, back = (
            outer(
                {**first, name: (value + sign * 1e-5 * direction).requires_grad_()}
                | {other: first[other].clone().requires_grad_() for other in first if other != name}
            ).item()
            for sign in (1, -1)
        )
        gradient = watched[name].grad
        assert gradient is not None
        assert (gradient * direction).sum().item() == pytest.approx((there - back) / 2e-5, rel=1e-5, abs=1e-9)


def test_an_adaptation_of_a_batch_is_that_of_each() -> None:
    parameters = of_each(start(), 3)
    walked = walks_of(parameters)
    together = adapted(parameters, walked, 0.5, 0.9, UNIT, create_graph=False)
    for goal in range(3):
        alone = Walked(*(part[goal : goal + 1] for part in walked[:3]), walked.places)
        moved = adapted(of_each(start(), 1), alone, 0.5, 0.9, UNIT, create_graph=False)
        for name, value in moved.items():
            torch.testing.assert_close(value[0], together[name][goal])


def test_a_training_that_was_stopped_goes_on_to_the_same_bits() -> None:
    whole, first, second = (PolicyTraining(FAMILY, SMALL, 3) for _ in range(3))
    for _ in range(3):
        whole.update()
    first.update()
    second.load(copy.deepcopy(first.state()))
    for _ in range(2):
        second.update()
    assert whole.history == second.history
    for name, value in whole.parameters.items():
        assert torch.equal(value, second.parameters[name]), name


def test_it_learns_to_adapt() -> None:
    """After a training of seconds half of what a gradient step leaves from random networks, or less, is left."""
    settings = PolicyGradient(60, 10, 20, 16, 1.0, 1e-2, 0.9)
    family, goals = Navigation(15, 1), FAMILY.goals(40, 99)
    training = PolicyTraining(family, settings, 0)
    untrained = {name: value.detach().clone() for name, value in training.parameters.items()}
    for _ in range(60):
        training.update()
    trained = {name: value.detach() for name, value in training.parameters.items()}
    before, after = (adaptation(start, 15, goals, settings, 1, 0).rewards.mean(1) for start in (untrained, trained))
    assert after[1] > before[1] / 2 and after[1] > after[0] / 2
