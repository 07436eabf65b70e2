"""Attacks against foolbox, cleverhans, and losses whose worst image is known."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import foolbox
import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from cleverhans.torch.attacks.fast_gradient_method import fast_gradient_method
from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from metagan.losses.attacks import Attack, Norm, fgsm, perturb, pgd

SHAPE = (2, 6, 6)
N, N_WAY = 8, 5
NORMS = ("linf", "l2")
LABELS = torch.arange(N) % N_WAY
FOOLBOX_PGD = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}
FOOLBOX_FGSM = {"linf": foolbox.attacks.LinfFastGradientAttack, "l2": foolbox.attacks.L2FastGradientAttack}
CLEVERHANS_NORM = {"linf": np.inf, "l2": 2}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(seed: int, n: int = N) -> Tensor:
    return torch.rand(n, *SHAPE, dtype=torch.float64, generator=generator(seed))


def randomness(norm: Norm, like: Tensor, seed: int) -> Tensor:
    if norm == "linf":
        return 2 * torch.rand(like.shape, dtype=like.dtype, generator=generator(seed)) - 1
    return torch.randn(like.shape, dtype=like.dtype, generator=generator(seed))


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(SHAPE[0], 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(64, N_WAY)
        return nn.Sequential(*layers).double().eval().requires_grad_(False)


def loss_of(network: nn.Module, labels: Tensor = LABELS) -> Callable[[Tensor], Tensor]:
    return lambda images: F.cross_entropy(network(images), labels, reduction="sum")


def linear_loss(weights: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda images: (images * weights).sum()


def smooth_loss(weights: Tensor, images: Tensor) -> Tensor:
    """Its gradient depends on `weights` and on the images smoothly."""
    return torch.sin(images.flatten(1) @ weights).sum()


def lengths(change: Tensor, norm: Norm) -> Tensor:
    return torch.linalg.vector_norm(change.flatten(1), ord=torch.inf if norm == "linf" else 2, dim=1)


def by_foolbox(attack: Any, network: nn.Module, images: Tensor, epsilon: float) -> Tensor:
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    return attack.run(model, images, foolbox.criteria.Misclassification(LABELS), epsilon=epsilon)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 1.5)])
def test_fgsm_is_foolbox_s(network: nn.Module, norm: Norm, epsilon: float) -> None:
    images = pictures(1)
    expected = by_foolbox(FOOLBOX_FGSM[norm](random_start=False), network, images, epsilon)
    torch.testing.assert_close(
        perturb(loss_of(network), images, fgsm(norm, epsilon), images), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("norm", "epsilon", "step_size"), [("linf", 0.1, 0.03), ("l2", 1.5, 0.6)])
def test_pgd_is_foolbox_s(network: nn.Module, norm: Norm, epsilon: float, step_size: float) -> None:
    images = pictures(2)
    attack = FOOLBOX_PGD[norm](abs_stepsize=step_size, steps=10, random_start=False)
    expected = by_foolbox(attack, network, images, epsilon)
    ours = perturb(loss_of(network), images, pgd(norm, epsilon, 10, step_size, random_start=False), images)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)
    # Both projections took part: onto the ball and onto [0, 1].
    assert lengths(ours - images, norm).max() > 0.95 * epsilon
    assert ((ours == 0) | (ours == 1)).any()


def test_fgsm_with_random_start_is_foolbox_s_from_the_same_start(network: nn.Module) -> None:
    images, epsilon = pictures(3), 0.1
    start = randomness("linf", images, 4)
    attack = foolbox.attacks.LinfPGD(abs_stepsize=1.25 * epsilon, steps=1, random_start=True)
    attack.get_random_start = lambda x0, epsilon: x0 + epsilon * start
    expected = by_foolbox(attack, network, images, epsilon)
    ours = perturb(loss_of(network), images, fgsm("linf", epsilon, random_start=True), start)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.1), ("l2", 1.5)])
def test_fgsm_is_cleverhans_s(network: nn.Module, norm: Norm, epsilon: float) -> None:
    network, images = network.float(), pictures(1).float()
    expected = fast_gradient_method(network, images, epsilon, CLEVERHANS_NORM[norm], 0, 1, y=LABELS)
    ours = perturb(loss_of(network), images, fgsm(norm, epsilon), images)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("norm", "epsilon", "step_size"), [("linf", 0.1, 0.03), ("l2", 0.5, 0.2)])
def test_pgd_is_cleverhans_s(network: nn.Module, norm: Norm, epsilon: float, step_size: float) -> None:
    """Cleverhans clips to [0, 1] before its projection too, which for l2 is the same only away from 0 and 1."""
    network, images = network.float(), pictures(2).float()
    if norm == "l2":
        images = 0.4 + 0.2 * images
    expected = projected_gradient_descent(
        network, images, epsilon, step_size, 10, CLEVERHANS_NORM[norm], 0, 1, y=LABELS, rand_init=False
    )
    ours = perturb(loss_of(network), images, pgd(norm, epsilon, 10, step_size, random_start=False), images)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_linear_loss_rises_by_the_dual_norm(norm: Norm) -> None:
    """By epsilon times the 1-norm of the weights for linf (Goodfellow et al. 2015, section 3), the 2-norm for l2."""
    weights = pictures(5, 1)[0] - 0.5
    images = torch.full((3, *SHAPE), 0.5, dtype=torch.float64)
    loss = linear_loss(weights)
    dual = torch.linalg.vector_norm(weights, ord=1 if norm == "linf" else 2)
    for attack in (fgsm(norm, 0.2), pgd(norm, 0.2, 5, random_start=False)):
        risen = loss(perturb(loss, images, attack, images)) - loss(images)
        torch.testing.assert_close(risen, 3 * 0.2 * dual)


@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_finds_the_worst_corner_of_box_and_ball(random_start: bool) -> None:
    images, weights = pictures(6), pictures(7, 1)[0] - 0.5
    attacked = perturb(
        linear_loss(weights), images, pgd("linf", 0.3, 20, random_start=random_start), randomness("linf", images, 8)
    )
    torch.testing.assert_close(attacked, (images + 0.3 * weights.sign()).clamp(0, 1))


def test_default_steps_and_presets() -> None:
    assert pgd("l2", 2.0, 10) == Attack("l2", 2.0, 10, 0.5, True)
    assert fgsm("linf", 0.1) == Attack("linf", 0.1, 1, 0.1, False)
    assert fgsm("linf", 0.1, random_start=True) == Attack("linf", 0.1, 1, 0.125, True)


@settings(max_examples=150, deadline=None)
@given(
    norm=st.sampled_from(NORMS),
    epsilon=st.floats(0, 1),
    steps=st.integers(1, 4),
    step_size=st.floats(0, 10),
    random_start=st.booleans(),
    scale=st.sampled_from([0.0, 1e-35, 1e-20, 1.0, 1e10]),
    spread=st.sampled_from([0.5, 1.0, 4.0]),
    seed=st.integers(0, 2**20),
)
def test_attacked_images_stay_in_the_ball_and_in_range(
    norm: Norm,
    epsilon: float,
    steps: int,
    step_size: float,
    random_start: bool,
    scale: float,
    spread: float,
    seed: int,
) -> None:
    # A spread above 1 makes many pixels exactly 0 or 1.
    images = (spread * (pictures(seed).float() - 0.5) + 0.5).clamp(0, 1)
    weights = torch.randn(SHAPE, generator=generator(seed))
    attack = Attack(norm, epsilon, steps, step_size, random_start)
    attacked = perturb(
        lambda batch: scale * (torch.sin(3 * batch) * weights).sum(), images, attack, randomness(norm, images, seed)
    )
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert lengths(attacked - images, norm).max() <= epsilon + 1e-6


@pytest.mark.parametrize("norm", NORMS)
def test_images_are_attacked_independently(network: nn.Module, norm: Norm) -> None:
    images = pictures(9)
    start = randomness(norm, images, 10)
    attack = pgd(norm, 0.3, 4)
    alone = [
        perturb(loss_of(network, LABELS[i : i + 1]), images[i : i + 1], attack, start[i : i + 1]) for i in range(N)
    ]
    torch.testing.assert_close(perturb(loss_of(network), images, attack, start), torch.cat(alone))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1e20])
def test_size_of_an_image_s_gradient_does_not_matter(norm: Norm, scale: float) -> None:
    """A confident network's tiny gradients are no shelter, not even in single precision."""
    images, weights = pictures(11).float(), pictures(12, 1)[0].float() - 0.5
    attack = pgd(norm, 0.2, 3, random_start=False)
    scales = torch.ones(N, 1, 1, 1)
    scales[0] = scale
    expected = perturb(linear_loss(weights), images, attack, images)
    torch.testing.assert_close(perturb(linear_loss(scales * weights), images, attack, images), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_without_gradients_an_image_stays_where_it_starts(norm: Norm) -> None:
    images = torch.full((N, *SHAPE), 0.5)
    weights = torch.zeros(SHAPE, requires_grad=True)
    start = randomness(norm, images, 13)
    still = perturb(linear_loss(weights), images, pgd(norm, 0.2, 3, random_start=False), images)
    torch.testing.assert_close(still, images)
    moved = perturb(linear_loss(weights), images, pgd(norm, 0.2, 3), start)
    direction = F.normalize((moved - images).flatten(1))
    torch.testing.assert_close(direction, F.normalize(start.flatten(1)), rtol=0, atol=1e-5)


def test_zero_gradients_have_finite_derivatives() -> None:
    """Of the first and second order, as learning to learn from attacked images needs them."""
    weights = torch.zeros(SHAPE, requires_grad=True)
    images = pictures(14).float()
    attacked = perturb(linear_loss(weights), images, pgd("l2", 0.2, 3, random_start=False), images)
    (first,) = torch.autograd.grad(attacked.square().sum(), weights, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), weights)
    assert first.isfinite().all()
    assert second.isfinite().all()


def test_l2_starts_are_uniform_in_the_ball() -> None:
    """Of n dimensions: the n-th power of the radius is then uniform on [0, 1]."""
    images = torch.full((2000, 1, 2, 2), 0.5)
    start = randomness("l2", images, 15)
    start[0] = 0
    change = perturb(lambda batch: 0 * batch.sum(), images, Attack("l2", 0.4, 1, 0.0, True), start) - images
    assert (change[0] == 0).all()
    radius = lengths(change[1:], "l2") / 0.4
    assert scipy.stats.kstest(radius.numpy() ** 4, "uniform").pvalue > 0.01


def test_linf_starts_are_scaled() -> None:
    images = torch.full((N, *SHAPE), 0.5)
    start = randomness("linf", images, 16)
    attacked = perturb(lambda batch: 0 * batch.sum(), images, Attack("linf", 0.4, 1, 0.0, True), start)
    torch.testing.assert_close(attacked, images + 0.4 * start)


def test_derivatives_of_l2_attacks_are_those_of_finite_differences() -> None:
    images = 0.4 + 0.2 * pictures(17, 2)[:, :1, :2, :3]
    weights = torch.randn(images[0].numel(), 2, dtype=torch.float64, generator=generator(18)).requires_grad_()
    start = randomness("l2", images, 19)

    def outer(candidate: Tensor) -> Tensor:
        attacked = perturb(lambda batch: smooth_loss(candidate, batch), images, pgd("l2", 0.5, 2), start)
        return smooth_loss(candidate, attacked)

    assert torch.autograd.gradcheck(outer, weights)
    assert torch.autograd.gradgradcheck(outer, weights)

    (through,) = torch.autograd.grad(outer(weights), weights)
    constant = perturb(lambda batch: smooth_loss(weights, batch), images, pgd("l2", 0.5, 2), start).detach()
    (around,) = torch.autograd.grad(smooth_loss(weights, constant), weights)
    assert not torch.allclose(through, around)


def test_linf_attacks_record_nothing_for_a_derivative_that_is_zero() -> None:
    images = pictures(20)
    weights = torch.randn(images[0].numel(), 3, dtype=torch.float64, generator=generator(21)).requires_grad_()
    attacked = perturb(lambda batch: smooth_loss(weights, batch), images, pgd("linf", 0.1, 3), images)
    assert not attacked.requires_grad


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", [fgsm, lambda norm, epsilon: pgd(norm, epsilon, 3)], ids=["fgsm", "pgd"])
def test_vmap_over_tasks_and_threads_equal_a_loop(norm: Norm, attack: Callable[[Norm, float], Attack]) -> None:
    tasks = 3
    images = pictures(22, tasks * 4).unflatten(0, (tasks, 4))
    start = randomness(norm, images, 23)
    weights = torch.randn(tasks, images[0, 0].numel(), 3, dtype=torch.float64, generator=generator(24)).requires_grad_()

    def one(weights: Tensor, images: Tensor, start: Tensor) -> Tensor:
        return perturb(lambda batch: smooth_loss(weights, batch), images, attack(norm, 0.3), start)

    def meta_gradient(attacked: Tensor) -> Tensor:
        outer = sum(smooth_loss(weights[task], attacked[task]) for task in range(tasks))
        return torch.autograd.grad(outer, weights)[0]

    looped = torch.stack([one(*task) for task in zip(weights, images, start, strict=True)])
    batched = torch.vmap(one)(weights, images, start)
    with ThreadPoolExecutor(tasks) as pool:
        threaded = torch.stack(list(pool.map(one, weights, images, start)))
    torch.testing.assert_close(batched, looped)
    torch.testing.assert_close(threaded, looped)
    expected = meta_gradient(looped)
    torch.testing.assert_close(meta_gradient(batched), expected)
    torch.testing.assert_close(meta_gradient(threaded), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_no_grad_changes_nothing(network: nn.Module, norm: Norm) -> None:
    images = pictures(25)
    start = randomness(norm, images, 26)
    expected = perturb(loss_of(network), images, pgd(norm, 0.3, 3), start)
    with torch.no_grad():
        attacked = perturb(loss_of(network), images, pgd(norm, 0.3, 3), start)
    torch.testing.assert_close(attacked, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fgsm("l1", 0.1), "norm is 'l1'; valid: linf, l2"),
        (lambda: fgsm("linf", 1.01), r"epsilon must be in \[0, 1\] for the norm linf, not 1.01"),
        (lambda: fgsm("linf", -0.1), r"epsilon must be in \[0, 1\]"),
        (lambda: fgsm("linf", float("nan")), r"epsilon must be in \[0, 1\]"),
        (lambda: fgsm("l2", -0.1), "epsilon must be a finite number of at least 0, not -0.1"),
        (lambda: fgsm("l2", float("inf")), "epsilon must be a finite number of at least 0, not inf"),
        (lambda: pgd("l2", 1.0, 0), "steps must be at least 1, not 0"),
        (lambda: pgd("linf", 0.1, 5, -0.1), "step_size must be a finite number of at least 0, not -0.1"),
    ],
)
def test_bad_attacks_are_turned_down(make: Callable[[], Attack], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_start_of_another_shape_is_turned_down() -> None:
    images = pictures(27)
    with pytest.raises(ValueError, match=r"start must have the images' shape \(8, 2, 6, 6\), not \(1, 2, 6, 6\)"):
        perturb(linear_loss(images[0]), images, pgd("linf", 0.1, 2), images[:1])
