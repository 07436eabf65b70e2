"""GANs side by side, beside ordinary trainings one by one with torch's own optimiser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from metagan.domains import domain_of
from metagan.nets.randomness import seeded
from metagan.parameters import GanArchitecture
from metagan.training.gan_stack import PLAYERS, SIGNALS, GanStack

ARCHITECTURE = GanArchitecture(
    domain="image", shape=(1, 16, 16), generator_width=8, discriminator_width=8, noise_size=4
)
SEEDS = (3, 5, 8)
RATES = torch.tensor([[0.01, 0.003], [0.002, 0.02], [0.03, 0.01]], dtype=torch.float64)
R1 = (1.0, 0.0, 10.0)
TURNS = (1, 3, 2)
STEPS = 6

MakeStack = Callable[..., GanStack]


@pytest.fixture
def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(n, 1, 16, 16, generator=generator, dtype=torch.float64) for n in (10, 12, 14)]


@pytest.fixture
def make(images: list[Tensor]) -> MakeStack:
    def stack(*places: int) -> GanStack:
        chosen = places or (0, 1, 2)
        own = [images[i] for i in chosen]
        return GanStack(ARCHITECTURE, own, [SEEDS[i] for i in chosen], torch.tensor([R1[i] for i in chosen]), 4)

    return stack


def alone(
    images: Tensor, place: int, batches: list[tuple[Tensor, Tensor]]
) -> tuple[dict[str, Tensor], list[list[float]]]:
    """One training by modules and `torch.optim.Adam`, on the same batches and noise: weights, and what was seen."""
    with seeded(SEEDS[place]):
        generator = domain_of(ARCHITECTURE).gan.generator(ARCHITECTURE).double()
        discriminator = domain_of(ARCHITECTURE).gan.discriminator(ARCHITECTURE).double()
    optimisers = [
        torch.optim.Adam(network.parameters(), rate, betas=(0.0, 0.99))
        for network, rate in zip((generator, discriminator), RATES[place].tolist(), strict=True)
    ]
    seen = []
    for chosen, noise in batches:
        for turn in range(TURNS[place]):
            real = images[chosen[place, turn]].requires_grad_()
            of_real, of_fake = discriminator(real), discriminator(generator(noise[place, turn]).detach())
            (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
            loss = F.binary_cross_entropy_with_logits(of_real, torch.ones_like(of_real))
            loss = loss + F.binary_cross_entropy_with_logits(of_fake, torch.zeros_like(of_fake))
            loss = loss + R1[place] / 2 * slope.square().sum((1, 2, 3)).mean()
            optimisers[1].zero_grad()
            loss.backward()
            if turn == 0:
                told = [(of_real > 0).double().mean().item(), (of_fake < 0).double().mean().item()]
                first = [loss.item(), norm(discriminator)]
            optimisers[1].step()
        loss = F.softplus(-discriminator(generator(noise[place, 3]))).mean()
        optimisers[0].zero_grad()
        loss.backward()
        seen.append([first[0], loss.item(), first[1], norm(generator), *told])
        optimisers[0].step()
    networks = {"generator": generator, "discriminator": discriminator}
    return {f"{p}.{n}": v.detach() for p, net in networks.items() for n, v in net.named_parameters()}, seen


def norm(network: torch.nn.Module) -> float:
    return torch.cat([value.grad.flatten() for value in network.parameters()]).norm().item()


def go(stack: GanStack, places: tuple[int, ...], steps: int = STEPS) -> Tensor:
    rates, turns = RATES[list(places)], torch.tensor([TURNS[i] for i in places])
    return torch.stack([stack.step(rates, turns) for _ in range(steps)], 1)


def test_a_stack_is_ordinary_trainings_by_torch_with_their_own_rates_penalties_and_turns(
    make: MakeStack, images: list[Tensor]
) -> None:
    stack, batches = make(), []
    rates, turns, seen = RATES, torch.tensor(TURNS), []
    for _ in range(STEPS):
        batches.append(stack._batches())
        seen.append(stack.step(rates, turns))
    for place in range(3):
        weights, expected = alone(images[place], place, batches)
        assert len(weights) > 15
        for name, value in weights.items():
            player, _, tensor = name.partition(".")
            torch.testing.assert_close(stack.parameters[player][tensor][place], value, rtol=1e-9, atol=1e-10)
        found = torch.stack(seen, 1)[place]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-8, atol=1e-10)
        assert found.shape == (STEPS, len(SIGNALS))


def test_a_training_does_not_depend_on_those_beside_it(make: MakeStack) -> None:
    together, own = make(), make(1)
    go(together, (0, 1, 2))
    go(own, (1,))
    for player in PLAYERS:
        for name, value in own.parameters[player].items():
            torch.testing.assert_close(together.parameters[player][name][1], value[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(together.samples(5)[1], own.samples(5)[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(together.samples_of(1, 5), own.samples(5)[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(together.distances()[1], own.distances()[0], rtol=1e-9, atol=1e-10)


def test_one_that_diverges_leaves_the_others_alone(make: MakeStack) -> None:
    stack, sound = make(), make()
    stack.parameters["generator"]["coarse.weight"][0] = float("nan")
    go(stack, (0, 1, 2))
    go(sound, (0, 1, 2))
    assert stack.samples(2)[0].isnan().any() and not stack.samples(2)[1:].isnan().any()
    torch.testing.assert_close(stack.samples(2)[1:], sound.samples(2)[1:])


def test_what_begins_anew_in_a_stack_is_as_in_a_new_one(make: MakeStack, images: list[Tensor]) -> None:
    stack = make(0, 1)
    go(stack, (0, 1))
    stack.begin_anew(0, images[2], SEEDS[2], R1[2])
    own = make(2)
    rates, turns = RATES[[2, 1]], torch.tensor([TURNS[2], TURNS[1]])
    for _ in range(3):
        stack.step(rates, turns)
    go(own, (2,), 3)
    torch.testing.assert_close(stack.samples(5)[0], own.samples(5)[0], rtol=1e-9, atol=1e-10)


def test_other_seeds_and_steps_draw_other_batches_and_noise(make: MakeStack) -> None:
    stack = make(0, 1)
    first = stack._batches()
    go(stack, (0, 1), 1)
    second = stack._batches()
    noises = [drawn[1][place] for drawn in (first, second) for place in (0, 1)]
    assert all((noises[i] - noises[j]).abs().min() > 0 for i in range(4) for j in range(i))
