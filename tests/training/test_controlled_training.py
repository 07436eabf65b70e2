from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from metagan.parameters import GanArchitecture
from metagan.training.controlled_training import (
    INPUTS,
    OUTPUTS,
    USUAL_RATES,
    Action,
    ControlledTrainings,
    Glance,
    constant,
    controlled_by,
    cosine,
    first_weights,
)
from metagan.training.gan_stack import GanStack

RATES = torch.tensor([[0.01, 0.003], [0.1, 0.0003]])
Make = Callable[[], ControlledTrainings]


@pytest.fixture
def make() -> Make:
    """Two trainings of 12 steps, with a look at every third."""
    architecture = GanArchitecture(
        domain="image", shape=(1, 16, 16), generator_width=8, discriminator_width=8, noise_size=4
    )
    images = torch.rand(70, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def begin() -> ControlledTrainings:
        stack = GanStack(architecture, [images] * 2, [1, 2], torch.tensor([1.0, 0.0]), 4)
        return ControlledTrainings(stack, RATES.clone(), 12, 3)

    return begin


def samples_after(trainings: ControlledTrainings, policy: Callable[[Glance], Action], looks: int = 4) -> Tensor:
    trainings.advance(policy, looks)
    return trainings.stack.samples(8)


def test_a_controller_that_always_does_the_same_is_a_plain_training_bit_for_bit(make: Make) -> None:
    plain = make().stack
    for _ in range(12):
        plain.step(RATES, torch.ones(2, dtype=torch.long))
    wanted = plain.samples(8)
    assert torch.equal(samples_after(make(), controlled_by(torch.zeros(OUTPUTS, INPUTS))), wanted)
    assert torch.equal(samples_after(make(), constant), wanted)
    shifted = torch.zeros(OUTPUTS, INPUTS)
    shifted[0, -1] = 0.5  # of the one that is seen
    assert not torch.equal(samples_after(make(), controlled_by(shifted)), wanted)


@pytest.mark.parametrize("size", [1.0, 1e6])
def test_actions_stay_in_bounds(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = size * torch.randn(50, OUTPUTS, INPUTS, generator=generator)
    seen = 5 * torch.randn(50, INPUTS, generator=generator)
    factors, turns = controlled_by(weights)(Glance(seen, torch.zeros(50)))
    assert factors.shape == (50, 2) and factors.min() >= 0.01 * (1 - 1e-6) and factors.max() <= 100 * (1 + 1e-6)
    assert {1, 3} <= set(turns.tolist()) <= {1, 2, 3}


def test_the_cosine_by_hand() -> None:
    share = torch.tensor([0.0, 0.5, 1.0])
    factors, turns = cosine(Glance(torch.zeros(3, INPUTS), share))
    expected = [0.01 + 0.99 * (1 + math.cos(math.pi * part)) / 2 for part in (0.0, 0.5, 1.0)]
    torch.testing.assert_close(factors, torch.tensor([[value] * 2 for value in expected]))
    assert turns.tolist() == [1, 1, 1]


def test_what_is_seen(make: Make) -> None:
    """The signals of steps alone, the rates that are set, the share, and a one; of the first look, no signals."""
    trainings, glances = make(), []

    def policy(glance: Glance) -> Action:
        glances.append(glance)
        return Action(torch.tensor([[2.0, 0.5], [1.0, 1.0]]), torch.tensor([3, 1]))

    trainings.advance(policy, 3)
    seen = torch.stack([glance.seen for glance in glances])
    assert seen.shape == (3, 2, INPUTS) and seen.isfinite().all()
    assert (seen[0, :, :6] == 0).all() and (seen[1:, :, :6] != 0).any(-1).all()
    torch.testing.assert_close(seen[1, :, -4:-2], (RATES / torch.tensor(USUAL_RATES)).log() / 2)
    assert seen[:, 0, -2].tolist() == [-1.0, -0.5, 0.0] and (seen[..., -1] == 1).all()
    assert glances[2].share.tolist() == [0.5, 0.5]
    torch.testing.assert_close(seen[1, 0, 8:11], torch.tensor([math.log(2) / 6, -math.log(2) / 6, 2 / 3]))
    distances = 3 * seen[:, :, 6]
    torch.testing.assert_close(seen[1:, :, 7], distances[:-1] - distances[1:], rtol=1e-4, atol=1e-5)
    assert (seen[0, :, 7] == 0).all()


def test_the_first_controller_goes_to_the_usual_rates(make: Make) -> None:
    action = make().advance(controlled_by(first_weights()))
    torch.testing.assert_close(RATES * action.factors, torch.tensor([USUAL_RATES] * 2), rtol=0.2, atol=0.0)
    assert action.turns.tolist() == [1, 1]


def test_a_training_in_which_all_is_nan_is_still_seen_in_numbers(make: Make) -> None:
    trainings = make()
    trainings.stack.parameters["generator"]["coarse.weight"][0] = float("nan")
    glances: list[Glance] = []

    def policy(glance: Glance) -> Action:
        glances.append(glance)
        return constant(glance)

    trainings.advance(policy, 2)
    assert all(glance.seen.isfinite().all() for glance in glances)
