"""The GAN learner: a discriminator step, then a generator step through the updated discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metagan.losses.distances import DISTANCES, energy_statistic, multi_scale_pixels
from metagan.losses.gan import GAN_LOSSES, one_centred_penalty, zero_centred_penalty
from metagan.meta.differentiation import Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.nets.critic import Impression, verdicts
from metagan.nets.exemplars import leaders

R1_IMAGES = 4  # of a task's query images; the penalty is the dearest part of the critic


@dataclass
class GanLearner(Learner):
    """Tasks hold `support` (K, C, H, W), `query` (Q, C, H, W), `inner_noise` (steps, 2, K, Z), `outer_noise` (Q, Z).

    `distances` weighs the outer distances by name; `embed` maps images to features for them, `views` to
    what is compared without it; `likelihood` weighs the surprise at query examples, for generators that know it. An
    `encoder` of the support set moves the generator's tensors `encoded` before the inner steps. A `critic` judges
    adapted samples by `critic_weight` and learns, in the same gradient, to tell them from query images; its parameters
    are `critic.*`. With `paired_exemplars`, the generator's, it sees each image beside what leads a sample.
    """

    generator: nn.Module
    discriminator: nn.Module
    gan_loss: str
    r1: float
    r2: float
    distances: dict[str, float]
    adversarial: float
    pixel_weight: float
    feature_weight: float
    embed: Callable[[Tensor], Tensor] | None
    encoder: nn.Module | None = None
    start_weight: float = 0.0
    critic: nn.Module | None = None
    critic_weight: float = 0.0
    critic_r1: float = 1.0
    paired_exemplars: int = 0
    likelihood: float = 0.0
    views: Callable[[Tensor], list[Tensor]] = multi_scale_pixels
    encoded: tuple[str, ...] = ()

    players = ("discriminator", "generator")

    @property
    def judges(self) -> tuple[str, ...]:
        judged = any(self.distances.values()) or self.likelihood > 0 or self.critic is not None
        return (*([""] if judged else []), *(self.players if self.adversarial else []))

    def to(self, device: torch.device | str) -> None:
        """Move the networks: their parameters come with each call, their buffers do not."""
        for network in (self.generator, self.discriminator, self.embed, self.encoder, self.critic):
            if isinstance(network, nn.Module):
                network.to(device)

    def start(self, parameters: Parameters, task: TaskTensors) -> Parameters:
        if self.encoder is None:
            return parameters
        moves = functional_call(self.encoder, _of(parameters, "encoder."), (task["support"],))
        names = [f"generator.{name}" for name in self.encoded]
        return {**parameters, **{name: parameters[name] + move for name, move in zip(names, moves, strict=True)}}

    def generate(self, parameters: Parameters, noise: Tensor) -> Tensor:
        """(N, Z) noise -> (N, C, H, W) images in [0, 1]."""
        return functional_call(self.generator, _of(parameters, "generator."), (noise,))

    @torch.no_grad()
    def draw(self, parameters: Parameters, noise: Tensor) -> Tensor:
        """The same, of which nothing is learned."""
        return self.generate(parameters, noise)

    def surprise(self, parameters: Parameters, noise: Tensor, examples: Tensor) -> Tensor:
        """Minus the mean logarithm of the probabilities of examples (N, C, H, W), of a generator that says them."""
        return -functional_call(self.generator, _of(parameters, "generator."), (noise, examples)).mean()

    def discriminate(self, parameters: Parameters, images: Tensor) -> Tensor:
        """(N, C, H, W) -> (N,) logits."""
        return functional_call(self.discriminator, _of(parameters, "discriminator."), (images,))

    def inner_loss(self, player: str, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        noise, other_noise = task["inner_noise"][step]
        if player == "discriminator":
            return self._discriminator_loss(parameters, task["support"], noise, other_noise)
        return self._generator_loss(parameters, task["support"], other_noise)

    def observe(self, parameters: Parameters, task: TaskTensors, step: int) -> Tensor:
        """The discriminator's accuracy on the support images and on as many samples, and the energy statistic of both
        in what is compared without an embedder."""
        real = task["support"]
        fake = self.generate(parameters, task["inner_noise"][step][0])
        logits = self.discriminate(parameters, torch.cat([real, fake]))
        told = [(logits[: len(real)] > 0).to(logits).mean(), (logits[len(real) :] < 0).to(logits).mean()]
        views = zip(self.views(fake), self.views(real), strict=True)
        distance = torch.stack([energy_statistic(made, seen) for made, seen in views]).sum()
        return torch.stack([*told, distance])

    def outer_loss(
        self, judge: str, trajectory: Sequence[Parameters], weights: Sequence[float], task: TaskTensors
    ) -> Tensor:
        query, noise = task["query"], task["outer_noise"]
        counted = [(weight, parameters) for weight, parameters in zip(weights, trajectory, strict=True) if weight]
        if judge == "":
            samples = torch.stack([self.generate(parameters, noise) for _, parameters in counted])
            total = self._distances(samples, query) @ samples.new_tensor([weight for weight, _ in counted])
            if self.likelihood:
                told = [weight * self.surprise(parameters, noise, query) for weight, parameters in counted]
                total = total + self.likelihood * torch.stack(told).sum()
            if self.critic is not None:
                total = total + self._criticism(self.critic, _of(trajectory[-1], "critic."), samples[-1], task)
            return total
        losses = [
            weight * self._discriminator_loss(parameters, query, noise, noise.flip(0))
            if judge == "discriminator"
            else weight * self._generator_loss(parameters, query, noise)
            for weight, parameters in counted
        ]
        return self.adversarial * torch.stack(losses).sum()

    def _discriminator_loss(self, parameters: Parameters, real: Tensor, noise: Tensor, other_noise: Tensor) -> Tensor:
        fake = self.generate(parameters, noise)
        logits = self.discriminate(parameters, torch.cat([real, fake]))
        loss = GAN_LOSSES[self.gan_loss].discriminator(logits[: len(real)], logits[len(real) :])

        def critic(images: Tensor) -> Tensor:
            return self.discriminate(parameters, images)

        if self.r1:
            loss = loss + self.r1 * zero_centred_penalty(critic, real)
        if self.r2:
            loss = loss + self.r2 * zero_centred_penalty(critic, fake)
        if weight := GAN_LOSSES[self.gan_loss].gradient_penalty:
            # A normal number's distribution function is uniform, as equation 3 of WGAN-GP asks.
            mix = torch.special.ndtr(other_noise[:, :1, None, None])
            loss = loss + weight * one_centred_penalty(critic, real, fake, mix)
        return loss

    def _generator_loss(self, parameters: Parameters, real: Tensor, noise: Tensor) -> Tensor:
        loss = GAN_LOSSES[self.gan_loss]
        real = real if loss.relativistic else real[:0]
        logits = self.discriminate(parameters, torch.cat([real, self.generate(parameters, noise)]))
        return loss.generator(logits[: len(real)], logits[len(real) :])

    def _criticism(self, network: nn.Module, critic: Parameters, samples: Tensor, task: TaskTensors) -> Tensor:
        """The critic's verdict on the samples, for which it is held constant, and the critic's own loss, hinge with
        R1, for which they are."""
        query, support = task["query"], task["support"]
        constant = {name: value.detach() for name, value in critic.items()}
        shown = leaders(task["outer_noise"], support, self.paired_exemplars) if self.paired_exemplars else None

        def look(parameters: Parameters, images: Tensor, beside: Tensor | None) -> Impression:
            return functional_call(network, parameters, (images,) if beside is None else (images, beside))

        by_themselves = torch.zeros_like(support)
        beside = None if shown is None else torch.cat([shown, shown, by_themselves])
        seen = look(critic, torch.cat([query, samples.detach(), support]), beside)
        told = seen.answers[-len(support) :].mean(0)
        logits = verdicts(seen, told)
        own = GAN_LOSSES["hinge"].discriminator(logits[: len(query)], logits[len(query) : -len(support)])

        def verdict(images: Tensor) -> Tensor:
            return verdicts(look(critic, images, None if shown is None else shown[:R1_IMAGES]), told)

        own = own + self.critic_r1 * zero_centred_penalty(verdict, query[:R1_IMAGES])
        judged = look(constant, samples, shown)
        return own - self.critic_weight * verdicts(judged, told.detach()).mean()

    def _distances(self, samples: Tensor, query: Tensor) -> Tensor:
        """(S,) distances of (S, N, C, H, W) samples to (Q, C, H, W) query images; each image is embedded once."""
        images = torch.cat([samples.flatten(0, 1), query])
        views = [(self.pixel_weight, view) for view in self.views(images)]
        if self.embed is not None and self.feature_weight:
            views.append((self.feature_weight, self.embed(images)))
        total = samples.new_zeros(len(samples))
        for name, weight in self.distances.items():
            for view_weight, view in views:
                if weight and view_weight:
                    *made, real = view.split([samples.shape[1]] * len(samples) + [len(query)])
                    total = total + weight * view_weight * torch.stack([DISTANCES[name](part, real) for part in made])
        return total


def _of(parameters: Parameters, prefix: str) -> Parameters:
    return {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix)}
