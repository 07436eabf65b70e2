from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import foolbox
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from metagan.evaluation.judge import EpisodeModel, Norm, Predictor, Threat, attack_images, correct, withstanding
from metagan.nets.embedder import Embedder

SHAPE = (1, 6, 6)
WEIGHT = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def half_plane(images: Tensor) -> Tensor:
    """Class 1 on one side of a plane through the grey image, class 0 on the other."""
    side = ((images - 0.5) * WEIGHT).sum((1, 2, 3))
    return torch.stack([-side, side], 1)


def greyish(n: int, spread: float = 0.2, seed: int = 1) -> Tensor:
    """Images that stay in [0, 1] under every change of less than 0.5 - spread."""
    return 0.5 + spread * (2 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed)) - 1)


def parity(images: Tensor) -> Tensor:
    """A two-way network without gradients, whose answer to a slightly changed image is as good as random."""
    bit = (images * WEIGHT * 1e4).sum((1, 2, 3)).floor() % 2
    return torch.stack([-bit, bit], 1)


def answered(predict: Predictor, query: Tensor, transductive: bool = True) -> EpisodeModel:
    """A model that is right about every query."""
    return EpisodeModel(predict, query, predict(query).argmax(1), transductive)


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
@pytest.mark.parametrize(("norm", "epsilons"), [("linf", (0.005, 0.01, 0.02, 0.1)), ("l2", (0.03, 0.06, 0.1, 0.3))])
def test_a_linear_classifier_falls_where_its_margin_ends(attack: str, norm: Norm, epsilons: tuple[float, ...]) -> None:
    model = answered(half_plane, greyish(200))
    distance = (half_plane(model.query)[:, 1]).abs() / (WEIGHT.abs().sum() if norm == "linf" else WEIGHT.norm())
    for epsilon in epsilons:
        standing = withstanding(model, Threat(attack, norm, epsilon), torch.ones(200, dtype=torch.bool), seed=0)
        clear = (distance / epsilon - 1).abs() > 0.02  # from a random start, PGD is not wholly there after its steps
        assert torch.equal(standing[clear], distance[clear] > epsilon)
    assert 0 < (distance > epsilons[1]).sum() < 200


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd_is_that_of_foolbox(norm: Norm) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)).eval().requires_grad_(False)
    images, labels = greyish(8), torch.arange(8) % 5
    attack = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    torch.manual_seed(7)
    expected = attack(abs_stepsize=2.5 * 0.1 / 10, steps=10)(
        foolbox.PyTorchModel(network, (0, 1), "cpu"), images, labels, epsilons=0.1
    )
    actual = attack_images(network, images, labels, Threat("pgd", norm, 0.1, steps=10), seed=7)
    torch.testing.assert_close(actual, expected[1])


@settings(max_examples=25, deadline=None)
@given(
    attack=st.sampled_from(["fgsm", "pgd"]),
    norm=st.sampled_from(["linf", "l2"]),
    epsilon=st.floats(0, 1),
    spread=st.floats(0, 0.5),
    seed=st.integers(0, 100),
)
def test_attacked_images_stay_in_the_ball_and_in_range(
    attack: str, norm: Norm, epsilon: float, spread: float, seed: int
) -> None:
    images = greyish(6, spread, seed)
    attacked = attack_images(half_plane, images, torch.arange(6) % 2, Threat(attack, norm, epsilon, steps=4), seed)
    change = (attacked - images).flatten(1)
    sizes = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert attacked.min() >= 0 and attacked.max() <= 1
    assert (sizes <= epsilon + 1e-5).all()


def test_the_seed_decides_alone() -> None:
    images, labels, threat = greyish(4), torch.arange(4) % 2, Threat("pgd", "linf", 0.1, steps=1)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first = attack_images(parity, images, labels, threat, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    assert torch.equal(attack_images(parity, images, labels, threat, seed=0), first)
    assert not torch.equal(attack_images(parity, images, labels, threat, seed=1), first)


def test_restarts_take_the_worst_case() -> None:
    model, everyone = answered(parity, greyish(64)), torch.ones(64, dtype=torch.bool)
    threat = Threat("pgd", "linf", 0.1, steps=2)
    single = [withstanding(model, threat, everyone, seed) for seed in (5, 6, 7)]
    together = withstanding(model, replace(threat, restarts=3), everyone, seed=5)
    assert torch.equal(together, single[0] & single[1] & single[2])
    assert 0 < together.sum() < min(standing.sum() for standing in single)


def test_an_attack_repairs_no_wrong_answer() -> None:
    query = torch.full((4, *SHAPE), 0.5)

    def right_unless_grey(images: Tensor) -> Tensor:
        moved = (images - 0.5).abs().sum((1, 2, 3)).ceil().clamp(max=1)
        return torch.stack([1 - moved, moved], 1)

    model, threat = EpisodeModel(right_unless_grey, query, torch.ones(4, dtype=torch.int64)), Threat("pgd", "linf", 0.1)
    attacked = attack_images(model.predict, query, model.labels, threat, seed=0)
    assert correct(model.predict, attacked, model.labels).all()
    standing = correct(model.predict, query, model.labels)
    assert not withstanding(model, threat, standing, seed=0).any()


@pytest.mark.parametrize("transductive", [True, False])
def test_only_a_transductive_network_sees_queries_that_have_fallen(transductive: bool) -> None:
    sizes = []

    def watched(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return half_plane(images)

    model = answered(watched, greyish(10), transductive)
    standing = torch.arange(10) < 3
    assert torch.equal(withstanding(model, Threat("pgd", "linf", 1e-4, steps=4), standing, seed=0), standing)
    assert sizes == [10] + 5 * [10 if transductive else 3]  # the attack has four steps, then it is judged


def test_where_nothing_stands_nothing_is_attacked() -> None:
    def never(images: Tensor) -> Tensor:
        raise AssertionError

    model = EpisodeModel(never, greyish(3), torch.zeros(3, dtype=torch.int64))
    nobody = torch.zeros(3, dtype=torch.bool)
    assert torch.equal(withstanding(model, Threat("pgd", "l2", 0.1, restarts=5), nobody, seed=0), nobody)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_confidence_does_not_protect(norm: Norm) -> None:
    query, threat = greyish(50), Threat("pgd", norm, 0.01 if norm == "linf" else 0.05)
    everyone = torch.ones(50, dtype=torch.bool)
    standing = withstanding(answered(half_plane, query), threat, everyone, seed=0)
    confident = answered(lambda images: 1e6 * half_plane(images), query)
    assert torch.equal(withstanding(confident, threat, everyone, seed=0), standing)
    assert 0 < standing.sum() < 50


def test_no_gradient_is_left_behind() -> None:
    network = Embedder(1, 8, 8, 16).requires_grad_(False)
    images = torch.rand(4, 1, 16, 16)
    attack_images(network, images, torch.arange(4), Threat("pgd", "linf", 0.1, steps=2), seed=0)
    assert images.grad is None and not images.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.slow
@pytest.mark.slow
def test_auto_attack_is_at_least_as_strong_as_pgd() -> None:
    pytest.importorskip("pyautoattack", reason="the auto-attack extra is not installed")
    weights = torch.randn(5, 36, generator=torch.Generator().manual_seed(2))
    model = answered(lambda images: (images - 0.5).flatten(1) @ weights.T, greyish(12), transductive=False)
    everyone = torch.ones(12, dtype=torch.bool)
    pgd, auto_attack = (
        withstanding(model, Threat(attack, "linf", 0.02), everyone, seed=0) for attack in ("pgd", "auto_attack")
    )
    assert (auto_attack <= pgd).all()
    assert 0 < auto_attack.sum() < 12
    attacked = attack_images(model.predict, model.query, model.labels, Threat("auto_attack", "linf", 0.02), seed=0)
    assert (attacked - model.query).abs().max() <= 0.02 + 1e-5


def test_auto_attack_needs_four_ways() -> None:
    pytest.importorskip("pyautoattack", reason="the auto-attack extra is not installed")
    with pytest.raises(ValueError, match=r"robustness.auto_attack needs robustness.n_way of at least 4, not 2"):
        attack_images(half_plane, greyish(2), torch.arange(2), Threat("auto_attack", "linf", 0.1), seed=0)


def test_auto_attack_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(ValueError, match=r"robustness.auto_attack needs pyautoattack: pip install pyautoattack"):
        attack_images(half_plane, greyish(2), torch.arange(2), Threat("auto_attack", "linf", 0.1), seed=0)


def test_it_needs_no_git(tmp_path: Path) -> None:
    """GitPython, which foolbox imports, refuses to be imported where there is no command of that name."""
    environment = {name: value for name, value in os.environ.items() if name != "GIT_PYTHON_REFRESH"}
    environment["PATH"] = str(tmp_path)
    command = [sys.executable, "-c", "import metagan.evaluation.judge"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
