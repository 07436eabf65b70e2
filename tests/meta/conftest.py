"""A GAN small enough for float64 derivatives, and tasks for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from metagan.domains.image import image
from metagan.meta.differentiation import Parameters
from metagan.meta.learners import GanLearner, TaskTensors
from metagan.meta.update_rules import initialised, shared_rule
from metagan.meta.update_rules.lslr import lslr
from metagan.nets.critic import Critic
from metagan.nets.discriminator import Discriminator
from metagan.nets.embedder import Embedder
from metagan.nets.encoder import Encoder
from metagan.nets.generator import Generator

SIZE, NOISE, SHOTS, INNER_STEPS = 8, 3, 3, 3


@pytest.fixture
def make_learner() -> Callable[..., GanLearner]:
    """A GAN learner on 8x8 images in float64; keywords change its fields, `kind` its class."""

    def make(kind: type[GanLearner] = GanLearner, **changes: object) -> GanLearner:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            fields = {
                "generator": Generator(1, SIZE, width=4, noise_size=NOISE, context_size=2).double(),
                "discriminator": Discriminator(1, SIZE, width=4).double(),
                "embed": Embedder(1, width=16, feature_size=4, image_size=SIZE).double().requires_grad_(False),
            }
        for player in (fields["generator"], fields["discriminator"]):
            player.activation = nn.Softplus()  # an inner step jumps at a kink, and finite differences with it
        fields["generator"].ink = nn.Sigmoid()  # its own gradient is not its slope where it is cut
        fields |= {"gan_loss": "non_saturating", "r1": 0.0, "r2": 0.0, "distances": {"energy": 1.0}}
        fields |= {"adversarial": 0.0, "pixel_weight": 0.3, "feature_weight": 1.0}
        return kind(**{**fields, **changes})

    return make


@pytest.fixture
def encoder_and_critic() -> dict[str, object]:
    """Fields of a learner with both, in float64; a part of every outer loss is before the first step."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, critic = Encoder(1, width=4).double(), Critic(1, SIZE, width=3).double()
    for network in (encoder, critic):
        network.activation = nn.Softplus()
    return {
        "encoded": image.gan.encoded,
        "encoder": encoder,
        "start_weight": 0.3,
        "critic": critic,
        "critic_weight": 0.7,
    }


@pytest.fixture
def make_parameters() -> Callable[..., Parameters]:
    """Networks of a learner, larger than at the start so that every part counts, and log rates where `adapts`."""

    def make(learner: GanLearner, rate: float = 0.3, adapts: Callable[[str], bool] = lambda name: True) -> Parameters:
        parts = {part: getattr(learner, part) for part in (*learner.players, "encoder", "critic")}
        networks = {
            f"{part}.{name}": value.detach().clone()
            for part, network in parts.items()
            if network is not None
            for name, value in network.named_parameters()
        }
        generator = torch.Generator().manual_seed(1)
        networks = {
            name: value + 0.2 * torch.randn(value.shape, dtype=value.dtype, generator=generator)
            for name, value in networks.items()
        }
        of_players = [name for name in networks if name.split(".")[0] in learner.players]
        rules = shared_rule(lslr, [name for name in of_players if adapts(name)])
        rates = initialised(rules, networks, dict.fromkeys(networks, rate), INNER_STEPS)
        return {**networks, **{name: value.double() for name, value in rates.items()}}

    return make


@pytest.fixture
def make_tasks() -> Callable[..., TaskTensors]:
    """Tensors of `n` random tasks, stacked."""

    def make(n: int, seed: int = 0) -> TaskTensors:
        generator = torch.Generator().manual_seed(seed)
        images = torch.rand(2, n, SHOTS, 1, SIZE, SIZE, dtype=torch.float64, generator=generator)
        noise = torch.randn(n, INNER_STEPS, 2, SHOTS, NOISE, dtype=torch.float64, generator=generator)
        outer_noise = torch.randn(n, SHOTS, NOISE, dtype=torch.float64, generator=generator)
        return {"support": images[0], "query": images[1], "inner_noise": noise, "outer_noise": outer_noise}

    return make
