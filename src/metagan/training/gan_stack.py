"""Ordinary GANs that are trained side by side as one, each on its own images with its own random numbers and rates.

Networks as small as these take most of their time in calls; a stack of sixteen makes as many calls as one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from metagan.domains import domain_of
from metagan.losses.distances import energy_statistic
from metagan.losses.gan import GAN_LOSSES, input_gradient_norm_squared
from metagan.meta.differentiation import Parameters
from metagan.nets.randomness import seeded
from metagan.parameters import GanArchitecture

PLAYERS = ("generator", "discriminator")
SIGNALS = ("discriminator loss", "generator loss", "discriminator norm", "generator norm", "real told", "fake told")
"""Losses, norms of gradients, and the discriminator's accuracies on a batch, of a step."""
MOST_TURNS = 3
SQUARE_DECAY, EPSILON = 0.99, 1e-8  # Adam without momentum: Karras et al. 2018 (arXiv 1710.10196), appendix A.1
LOOKED_AT = 64
"""Samples, and as many images, whose distance is observed."""
_BATCHES, _LOOKS, _SAMPLES = range(3)


class GanStack:
    """P trainings; training i sees images[i] (N, C, H, W) in [0, 1], in whose precision all is computed.

    `r1` (P,) are the weights of the penalty (Mescheder et al. 2018). The loss is the non-saturating one. A training is
    a pure function of its images, seed, r1 and rates, whatever others are in the stack, but for rounding.
    """

    def __init__(
        self, architecture: GanArchitecture, images: Sequence[Tensor], seeds: Sequence[int], r1: Tensor, batch_size: int
    ) -> None:
        self.architecture, self.batch_size = architecture, batch_size
        self.domain = domain_of(architecture)
        self.images, self.seeds, self.r1 = list(images), list(seeds), r1.to(images[0])
        self.steps = torch.zeros(len(seeds), dtype=torch.long)
        begun = [self._initial(seed) for seed in seeds]
        self.networks = begun[0]
        self.parameters = {
            player: {
                name: torch.stack([each[player].get_parameter(name).detach() for each in begun])
                for name, _ in network.named_parameters()
            }
            for player, network in begun[0].items()
        }
        self.squares = {
            player: {name: torch.zeros_like(value) for name, value in own.items()}
            for player, own in self.parameters.items()
        }
        self.counts = {player: torch.zeros(len(seeds), dtype=torch.long) for player in PLAYERS}

    def _initial(self, seed: int) -> dict[str, nn.Module]:
        """Both networks with random weights."""
        networks = self.domain.gan
        with seeded(seed):
            made = networks.generator(self.architecture), networks.discriminator(self.architecture)
        return {player: network.to(self.images[0].dtype) for player, network in zip(PLAYERS, made, strict=True)}

    def begin_anew(self, place: int, images: Tensor, seed: int, r1: float) -> None:
        """Another training in the place of one."""
        self.images[place], self.seeds[place], self.r1[place], self.steps[place] = images, seed, r1, 0
        for player, network in self._initial(seed).items():
            self.counts[player][place] = 0
            for name, value in network.named_parameters():
                self.parameters[player][name][place] = value.detach()
                self.squares[player][name][place] = 0.0

    def step(self, rates: Tensor, turns: Tensor) -> Tensor:
        """(P, SIGNALS) what was seen in a step with rates (P, 2), of the generator and the discriminator, who
        steps `turns` (P,) times, from 1 to MOST_TURNS."""
        chosen, noise = self._batches()
        for turn in range(int(turns.max())):
            who = (turns > turn).nonzero()[:, 0]
            real = torch.stack([self.images[i][chosen[i, turn]] for i in who.tolist()])
            gradients, (loss, told) = vmap(grad_and_value(self._discriminator_loss, has_aux=True))(
                self._of("discriminator", who), self._of("generator", who), real, noise[who, turn], self.r1[who]
            )
            self._move("discriminator", gradients, rates[who, 1], who)
            if turn == 0:
                seen = [loss, _norm(gradients), *told.T]
        everyone = torch.arange(len(turns))
        gradients, loss = vmap(grad_and_value(self._generator_loss))(
            self.parameters["generator"], self.parameters["discriminator"], noise[:, MOST_TURNS]
        )
        self._move("generator", gradients, rates[:, 0], everyone)
        self.steps += 1
        return torch.stack([seen[0], loss, seen[1], _norm(gradients), *seen[2:]], 1).detach()

    @torch.no_grad()
    def samples(self, number: int, part: int = _SAMPLES) -> Tensor:
        """(P, number, C, H, W) in [0, 1]."""
        noise = [torch.randn(number, self.architecture.noise_size, generator=g) for g in self._generators(part)]
        return vmap(self._generate)(self.parameters["generator"], torch.stack(noise).to(self.images[0]))

    @torch.no_grad()
    def samples_of(self, place: int, number: int) -> Tensor:
        """(number, C, H, W) in [0, 1] of one training."""
        noise = torch.randn(number, self.architecture.noise_size, generator=self._generators(_SAMPLES)[place])
        own = {name: value[place] for name, value in self.parameters["generator"].items()}
        return self._generate(own, noise.to(self.images[0]))

    @torch.no_grad()
    def distances(self) -> Tensor:
        """(P,) energy statistics of a few samples and training images, without an embedder."""
        made = self.samples(LOOKED_AT, _LOOKS)
        places = [
            torch.randperm(len(own), generator=g) for own, g in zip(self.images, self._generators(3), strict=True)
        ]
        found = []
        for own, samples, chosen in zip(self.images, made, places, strict=True):
            views = zip(self.domain.views(samples), self.domain.views(own[chosen[:LOOKED_AT]]), strict=True)
            found.append(torch.stack([energy_statistic(*both) for both in views]).sum())
        return torch.stack(found)

    def state(self) -> dict[str, object]:
        """What a training goes on from, apart from its images."""
        return {
            "parameters": self.parameters,
            "squares": self.squares,
            "counts": self.counts,
            "steps": self.steps,
            "seeds": self.seeds,
            "r1": self.r1,
        }

    def load(self, state: dict[str, object]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def _generators(self, part: int) -> list[torch.Generator]:
        numbers = zip(self.seeds, self.steps.tolist(), strict=True)
        return [
            torch.Generator().manual_seed(((seed * 100_003 + step) * 4 + part) * 104_729 % 2**63)
            for seed, step in numbers
        ]

    def _batches(self) -> tuple[Tensor, Tensor]:
        """Places of images (P, MOST_TURNS, B), and noise (P, MOST_TURNS + 1, B, Z): the generator's comes last."""
        chosen, noise = [], []
        for own, generator in zip(self.images, self._generators(_BATCHES), strict=True):
            chosen.append(torch.randint(len(own), (MOST_TURNS, self.batch_size), generator=generator))
            shape = (MOST_TURNS + 1, self.batch_size, self.architecture.noise_size)
            noise.append(torch.randn(shape, generator=generator))
        return torch.stack(chosen), torch.stack(noise).to(self.images[0])

    def _of(self, player: str, who: Tensor) -> Parameters:
        return {name: value[who] for name, value in self.parameters[player].items()}

    def _generate(self, generator: Parameters, noise: Tensor) -> Tensor:
        return functional_call(self.networks["generator"], generator, (noise,))

    def _discriminate(self, discriminator: Parameters, images: Tensor) -> Tensor:
        return functional_call(self.networks["discriminator"], discriminator, (images,))

    def _discriminator_loss(
        self, discriminator: Parameters, generator: Parameters, real: Tensor, noise: Tensor, r1: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits = self._discriminate(discriminator, torch.cat([real, self._generate(generator, noise)]))
        of_real, of_fake = logits.split(len(real))
        loss = GAN_LOSSES["non_saturating"].discriminator(of_real, of_fake)
        penalty = input_gradient_norm_squared(lambda images: self._discriminate(discriminator, images), real).mean() / 2
        told = torch.stack([(of_real > 0).to(loss).mean(), (of_fake < 0).to(loss).mean()])
        return loss + r1 * penalty, told.detach()

    def _generator_loss(self, generator: Parameters, discriminator: Parameters, noise: Tensor) -> Tensor:
        return F.softplus(-self._discriminate(discriminator, self._generate(generator, noise))).mean()

    @torch.no_grad()
    def _move(self, player: str, gradients: Parameters, rates: Tensor, who: Tensor) -> None:
        """A step of Adam of some of the trainings."""
        self.counts[player][who] += 1
        correction = 1 - SQUARE_DECAY ** self.counts[player][who].to(rates)
        for name, gradient in gradients.items():
            own = [-1] + [1] * (gradient.dim() - 1)
            square = SQUARE_DECAY * self.squares[player][name][who] + (1 - SQUARE_DECAY) * gradient.square()
            self.squares[player][name][who] = square
            step = rates.view(own) * gradient / ((square / correction.view(own)).sqrt() + EPSILON)
            self.parameters[player][name][who] -= step


def _norm(gradients: Parameters) -> Tensor:
    """(P,) Euclidean, of all tensors together."""
    return torch.stack([value.flatten(1).square().sum(1) for value in gradients.values()]).sum(0).sqrt()
