"""What an adversary makes of a loss, against the formulas written out with `perturb`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metagan.losses.attacks import Attack, fgsm, perturb, pgd
from metagan.meta.adversary import Adversary, divergence

LOSSES = ["adversarial", "clean_and_adversarial", "trades"]
ATTACKS = {"fgsm": fgsm("linf", 0.1, True), "pgd": pgd("linf", 0.1, 3), "l2": pgd("l2", 1.0, 3)}
WEIGHT = 0.3
LABELS = torch.tensor([0, 2, 1, 1])


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3)).double()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(4, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def start_for(attack: Attack, images: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if attack.norm == "l2":
        return torch.randn(images.shape, dtype=images.dtype, generator=generator)
    return torch.rand(images.shape, dtype=images.dtype, generator=generator) * 2 - 1


def cross_entropy(logits: Tensor) -> Tensor:
    return -logits.softmax(1)[torch.arange(len(LABELS)), LABELS].log().mean()


def kullback_leibler(target: Tensor, logits: Tensor) -> Tensor:
    p, q = target.softmax(1), logits.softmax(1)
    return (p * (p / q).log()).sum(1).mean()


def by_hand(kind: str, network: nn.Module, images: Tensor, attack: Attack, start: Tensor) -> Tensor:
    """The attack on a clone without gradients; then the loss of its images as constants."""
    if kind == "trades":
        target = network(images).detach()
        attacked = perturb(lambda moved: kullback_leibler(target, network(moved)), images, attack, start).detach()
        return cross_entropy(network(images)) + WEIGHT * kullback_leibler(network(images), network(attacked))
    attacked = perturb(lambda moved: cross_entropy(network(moved)), images, attack, start).detach()
    if kind == "adversarial":
        return cross_entropy(network(attacked))
    return (1 - WEIGHT) * cross_entropy(network(images)) + WEIGHT * cross_entropy(network(attacked))


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_and_its_gradient_are_the_formula(
    network: nn.Module, images: Tensor, kind: Any, attack: Attack
) -> None:
    """The gradient also says that attacked images are constants: for l2 it would have another part."""
    start = start_for(attack, images)
    loss = Adversary("query", attack, kind, WEIGHT).robust_loss(network, network, images, LABELS, start)
    expected = by_hand(kind, network, images, attack, start)
    torch.testing.assert_close(loss, expected)
    found, wanted = (torch.autograd.grad(value, list(network.parameters())) for value in (loss, expected))
    for gradient, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, other)


@pytest.mark.parametrize("kind", LOSSES)
def test_attacked_images_hold_no_graph_and_are_worse(network: nn.Module, images: Tensor, kind: Any) -> None:
    attack = ATTACKS["pgd"]
    adversary = Adversary("query", attack, kind, WEIGHT)
    attacked = adversary.attacked(network, images, LABELS, start_for(attack, images))
    assert not attacked.requires_grad
    assert (attacked - images).abs().max() <= 0.1 + 1e-9
    if kind == "trades":
        assert kullback_leibler(network(images), network(attacked)) > 1e-3
    else:
        assert cross_entropy(network(attacked)) > cross_entropy(network(images)) + 0.01


@pytest.mark.parametrize("kind", LOSSES)
def test_the_attack_asks_only_the_network_that_it_is_given(network: nn.Module, images: Tensor, kind: Any) -> None:
    """Trained parameters and attacked parameters come apart where only the latter are constants."""
    constant = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).double()
    attack = ATTACKS["pgd"]
    adversary, start = Adversary("query", attack, kind, WEIGHT), start_for(attack, images)
    seen = []

    def predict(moved: Tensor) -> Tensor:
        seen.append(moved)
        return network(moved)

    adversary.robust_loss(predict, constant, images, LABELS, start)
    attacked = adversary.attacked(constant, images, LABELS, start)
    expected = {"adversarial": [attacked]}.get(kind, [images, attacked])
    assert len(seen) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(seen, expected, strict=True))


@pytest.mark.parametrize(
    ("where", "support", "query"), [("support", True, False), ("query", False, True), ("both", True, True)]
)
def test_where(where: Any, support: bool, query: bool) -> None:
    adversary = Adversary(where, ATTACKS["fgsm"], "adversarial", 1.0)
    assert (adversary.on_support, adversary.on_query) == (support, query)


def test_divergence_is_zero_only_for_the_same_predictions(network: nn.Module, images: Tensor) -> None:
    logits = network(images)
    torch.testing.assert_close(divergence(logits.log_softmax(1), logits), torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(divergence(logits.log_softmax(1), 2 * logits), kullback_leibler(logits, 2 * logits))


def test_trades_without_a_random_start_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^adversary\.random_start: must be true with trades"):
        Adversary("query", fgsm("linf", 0.1), "trades", 1.0)
