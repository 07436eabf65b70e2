from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.evaluation.gradient_masking import masking_accuracies, masking_checks
from metagan.evaluation.judge import EpisodeModel, Predictor, correct

N_WAY, EPISODES = 5, 6
SHAPE = (1, 8, 8)


def prototypes(index: int) -> Tensor:
    """One picture of dark and light blocks for each class of an episode (N_WAY, C, H, W)."""
    blocks = torch.rand(N_WAY, 1, 4, 4, generator=torch.Generator().manual_seed(index)).round()
    return torch.kron(0.3 + 0.4 * blocks, torch.ones(2, 2))


def linear(index: int) -> Predictor:
    """Nearest prototype: the difference of squared distances is linear in the image."""
    means = prototypes(index).flatten(1)
    return lambda images: 2 * images.flatten(1) @ means.T - means.square().sum(1)


def quantised(index: int) -> Predictor:
    return lambda images: linear(index)((4 * images).round() / 4)


def saturated(index: int) -> Predictor:
    def predict(images: Tensor) -> Tensor:
        logits = linear(index)(images)
        return torch.sigmoid(1e4 * (logits - logits.detach().topk(2).values.mean(1, keepdim=True)))

    return predict


def checks_of(predictor: Callable[[int], Predictor], transfer_from: Callable[[int], Predictor]) -> dict[str, bool]:
    """Whether each check passed, over episodes whose queries are noisy prototypes."""
    accuracies = []
    for index in range(EPISODES):
        labels = torch.arange(N_WAY).repeat(4)
        noise = 0.1 * torch.randn(len(labels), *SHAPE, generator=torch.Generator().manual_seed(index))
        model = EpisodeModel(predictor(index), (prototypes(index)[labels] + noise).clamp(0, 1), labels)
        standing = correct(model.predict, model.query, labels)
        assert standing.double().mean() > 0.9
        accuracies.append(masking_accuracies(model, standing, index, transfer_from(index)))
    stacked = {name: np.array([episode[name] for episode in accuracies]) for name in accuracies[0]}
    return {name: check["passed"] for name, check in masking_checks(stacked, N_WAY).items()}


def weaker(index: int) -> Predictor:
    """Another classifier of the same episode, which sees the upper half of each image."""
    half = prototypes(index).clone()
    half[..., 4:, :] = 0
    means = half.flatten(1)
    return lambda images: 2 * images.flatten(1) @ means.T - means.square().sum(1)


def test_an_honest_network_passes_every_check() -> None:
    assert set(checks_of(linear, weaker).values()) == {True}


@pytest.mark.parametrize("masked", [quantised, saturated])
def test_a_masked_network_is_caught(masked: Callable[[int], Predictor]) -> None:
    passed = checks_of(masked, linear)
    assert not passed["chance_at_epsilon_1"]
    assert not passed["pgd_beats_noise"]
    assert not passed["transferred_attack_is_no_stronger"]


def accuracies(**others: list[float]) -> dict[str, np.ndarray]:
    """Those of an honest five-way network in four episodes, but for `others`."""
    honest = {
        "PGD-5": [0.5, 0.4, 0.6, 0.5],
        "PGD-20": [0.4, 0.4, 0.5, 0.5],
        "PGD-50": [0.4, 0.3, 0.5, 0.5],
        "PGD-20 at epsilon 1": [0.0, 0.0, 0.1, 0.0],
        "FGSM": [0.6, 0.6, 0.6, 0.6],
        "noise": [0.9, 0.9, 1.0, 0.8],
        "transferred PGD-20": [0.8, 0.8, 0.7, 0.8],
    }
    return {name: np.array(values) for name, values in (honest | others).items()}


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("chance_at_epsilon_1", {"PGD-20 at epsilon 1": [0.3, 0.4, 0.3, 0.3]}),
        ("more_steps_never_help_the_defender", {"PGD-5": [0.3, 0.3, 0.4, 0.4]}),
        ("more_steps_never_help_the_defender", {"PGD-50": [0.5, 0.6, 0.6, 0.6]}),
        ("pgd_beats_noise", {"noise": [0.4, 0.4, 0.5, 0.5]}),
        ("pgd_is_no_weaker_than_fgsm", {"FGSM": [0.3, 0.3, 0.3, 0.4]}),
        ("transferred_attack_is_no_stronger", {"transferred PGD-20": [0.2, 0.2, 0.3, 0.2]}),
    ],
)
def test_each_check_fails_where_it_should_and_nowhere_else(name: str, planted: dict[str, list[float]]) -> None:
    checks = masking_checks(accuracies(**planted), n_way=5)
    assert [key for key, check in checks.items() if not check["passed"]] == [name]


@pytest.mark.parametrize(
    "planted",
    [
        {"PGD-20 at epsilon 1": [0.0, 0.5, 0.1, 0.4]},  # 0.25 +- 0.23 against 0.2
        {"PGD-50": [0.5, 0.4, 0.5, 0.5]},  # one episode of four rises
        {"FGSM": [0.4, 0.3, 0.5, 0.5]},
    ],
)
def test_sampling_noise_is_no_failure(planted: dict[str, list[float]]) -> None:
    assert all(check["passed"] for check in masking_checks(accuracies(**planted), n_way=5).values())


def test_a_lucky_episode_does_not_beat_noise() -> None:
    checks = masking_checks(accuracies(noise=[0.4, 0.5, 0.5, 0.5]), n_way=5)
    assert not checks["pgd_beats_noise"]["passed"]


def test_the_details_have_the_numbers() -> None:
    checks = masking_checks(accuracies(), n_way=5)
    assert checks["chance_at_epsilon_1"]["detail"] == "PGD-20 at epsilon 1 leaves 2.5%, chance is 20.0%"
    steps = checks["more_steps_never_help_the_defender"]["detail"]
    assert steps == "at epsilon 0.3, PGD-5 leaves 50.0%, PGD-20 leaves 45.0%, PGD-50 leaves 42.5%"


def test_without_another_network_nothing_is_transferred() -> None:
    query = prototypes(0)
    model = EpisodeModel(linear(0), query, torch.arange(N_WAY))
    found = masking_accuracies(model, torch.ones(N_WAY, dtype=torch.bool), seed=0)
    assert "transferred PGD-20" not in found
    checks = masking_checks({name: np.array([share, share]) for name, share in found.items()}, N_WAY)
    assert "transferred_attack_is_no_stronger" not in checks
