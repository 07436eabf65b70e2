from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metagan.losses.gan import GAN_LOSSES
from metagan.nets.critic import Critic, Impression, verdicts


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (1, 28), (3, 20), (1, 64)])
def test_shapes(channels: int, size: int) -> None:
    seen = Critic(channels, size, width=8)(torch.rand(5, channels, size, size))
    assert [part.shape for part in seen] == [(5,), (5, 16), (5, 16)]


def test_each_image_is_judged_by_itself() -> None:
    critic, images = Critic(1, 16, width=8), torch.rand(6, 1, 16, 16)
    for whole, half in zip(critic(images), critic(images[2:]), strict=True):
        torch.testing.assert_close(whole[2:], half)


def test_a_verdict_is_the_logit_and_the_projection_on_the_support_set() -> None:
    seen = Impression(torch.tensor([1.0, -2.0]), torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.zeros(2, 2))
    assert verdicts(seen, torch.tensor([0.5, -1.0])).tolist() == [1.0 + 0.5 - 2.0, -2.0 - 3.0]


@pytest.mark.parametrize(("paired", "told"), [(True, True), (False, False)])
def test_a_paired_critic_learns_to_tell_copies(paired: bool, told: bool) -> None:
    """Of what is as real as the rest: what is made is the image that it is shown beside."""
    torch.manual_seed(0)
    critic = Critic(1, 16, width=8, paired=paired)
    optimiser = torch.optim.Adam(critic.parameters(), 1e-2)

    def logits() -> tuple[Tensor, Tensor]:
        real, shown = torch.rand(2, 32, 1, 16, 16).round()
        return critic(real, shown).logits, critic(shown, shown).logits

    for _ in range(80):
        optimiser.zero_grad()
        GAN_LOSSES["hinge"].discriminator(*logits()).backward()
        optimiser.step()
    real, copies = logits()
    accuracy = torch.cat([real > 0, copies < 0]).float().mean()
    assert (accuracy > 0.8).item() is told


def test_shown_beside_nothing_a_paired_critic_sees_what_a_blank_tells() -> None:
    """So the support set's own answers need no other images."""
    critic, images = Critic(1, 16, width=8, paired=True), torch.rand(3, 1, 16, 16)
    for alone, blank in zip(critic(images), critic(images, torch.zeros_like(images)), strict=True):
        torch.testing.assert_close(alone, blank)


def test_it_learns_which_class_the_support_set_shows() -> None:
    """Both classes are as real; only the projection can tell that one does not belong to the task."""

    def of_class(kind: int, n: int) -> Tensor:
        images = 0.3 * torch.rand(n, 1, 16, 16)
        images[:, :, :8] += 0.6 * kind
        images[:, :, 8:] += 0.6 * (1 - kind)
        return images

    torch.manual_seed(0)
    critic = Critic(1, 16, width=8)
    optimiser = torch.optim.Adam(critic.parameters(), 3e-3)

    def logits(kind: int) -> tuple[Tensor, Tensor]:
        seen = critic(torch.cat([of_class(kind, 8), of_class(1 - kind, 8), of_class(kind, 4)]))
        judged = verdicts(seen, seen.answers[-4:].mean(0))
        return judged[:8], judged[8:16]

    for step in range(60):
        optimiser.zero_grad()
        GAN_LOSSES["hinge"].discriminator(*logits(step % 2)).backward()
        optimiser.step()
    for kind in (0, 1):
        own, other = logits(kind)
        assert own.min() > other.max()
