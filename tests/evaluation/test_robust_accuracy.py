from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains.image import image
from metagan.evaluation.confidence import mean_and_ci95
from metagan.evaluation.judge import EpisodeModel
from metagan.evaluation.robust_accuracy import AdaptEpisode, RobustnessResult, evaluate_robustness
from metagan.parameters import RobustnessSettings
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import episode

N_WAY, K_SHOT, N_QUERY = 4, 2, 3
SETTINGS = RobustnessSettings(
    episodes=6,
    n_way=(N_WAY,),
    k_shot=(K_SHOT,),
    n_query=N_QUERY,
    linf_epsilons=(0.0, 0.3, 0.1),
    l2_epsilons=(0.5, 2.0),
    steps=5,
    restarts=2,
    poisoned_epsilon=0.2,
    masking_episodes=3,
)
LABELS = torch.arange(N_WAY)


class Pictures:
    """Episodes of a bank, and a nearest-mean classifier of pixels that adapts to them."""

    def __init__(self, bank: TaskBank) -> None:
        self.bank = bank
        self.replaced: list[tuple[int, Tensor]] = []

    def support_of(self, index: int) -> tuple[Tensor, Tensor]:
        drawn = episode(self.bank, "test", 0, index, N_WAY, K_SHOT, N_QUERY)
        return drawn.support.flatten(0, 1), LABELS.repeat_interleave(K_SHOT)

    def adapt(self, index: int, support: Tensor | None) -> EpisodeModel:
        if support is not None:
            self.replaced.append((index, support))
        images = self.support_of(index)[0] if support is None else support
        means = images.unflatten(0, (N_WAY, K_SHOT)).mean(1).flatten(1)
        query = episode(self.bank, "test", 0, index, N_WAY, K_SHOT, N_QUERY).query.flatten(0, 1)

        def predict(images: Tensor) -> Tensor:
            return -torch.cdist(images.flatten(1), means).square()

        return EpisodeModel(predict, query, LABELS.repeat_interleave(N_QUERY), transductive=False)


@pytest.fixture(scope="module")
def pictures(make_bank: Callable[..., TaskBank]) -> Pictures:
    return Pictures(make_bank())


@pytest.fixture(scope="module")
def result(pictures: Pictures) -> RobustnessResult:
    return evaluate(pictures.adapt, pictures)


def evaluate(
    adapt: AdaptEpisode, pictures: Pictures, settings: RobustnessSettings = SETTINGS, **more: object
) -> RobustnessResult:
    return evaluate_robustness(image, adapt, pictures.support_of, settings, seed=0, progress=False, **more)


def rows(result: RobustnessResult, **wanted: object) -> list[dict[str, object]]:
    return [row for row in result.table["robust"] if row.items() >= wanted.items()]


def test_there_is_a_row_for_each_threat(result: RobustnessResult) -> None:
    keys = [(row["attack"], row["norm"], row["eps"], row["support"]) for row in result.table["robust"]]
    assert keys == [
        ("pgd", "linf", 0.0, "clean"),
        ("pgd", "linf", 0.1, "clean"),
        ("pgd", "linf", 0.3, "clean"),
        ("pgd", "l2", 0.5, "clean"),
        ("pgd", "l2", 2.0, "clean"),
        ("fgsm", "linf", 0.0, "clean"),
        ("fgsm", "linf", 0.1, "clean"),
        ("fgsm", "linf", 0.3, "clean"),
        ("fgsm", "l2", 0.5, "clean"),
        ("fgsm", "l2", 2.0, "clean"),
        ("pgd", "linf", 0.0, "poisoned"),
        ("pgd", "linf", 0.2, "poisoned"),
    ]
    assert result.table["episodes"] == 6
    assert json.loads(json.dumps(result.table, allow_nan=False)) == result.table


def test_epsilon_zero_is_natural_accuracy(result: RobustnessResult, pictures: Pictures) -> None:
    accuracies = []
    for index in range(SETTINGS.episodes):
        model = pictures.adapt(index, None)
        accuracies.append((model.predict(model.query).argmax(1) == model.labels).double().mean().item())
    natural = result.table["natural"]
    assert natural == mean_and_ci95(accuracies)
    for row in rows(result, eps=0.0, support="clean"):
        assert {"mean": row["mean"], "ci95": row["ci95"]} == natural


def test_accuracy_falls_with_epsilon(result: RobustnessResult) -> None:
    for attack in ("pgd", "fgsm"):
        for norm in ("linf", "l2"):
            means = [row["mean"] for row in rows(result, attack=attack, norm=norm, support="clean")]
            assert means == sorted(means, reverse=True)
            assert means[-1] < result.table["natural"]["mean"]


def test_a_query_that_falls_at_a_smaller_epsilon_has_fallen(pictures: Pictures) -> None:
    """The network is wrong on any slightly changed image and right again on a much changed one."""

    def adapt(index: int, support: Tensor | None) -> EpisodeModel:
        query = torch.full((N_WAY, 1, 4, 4), 0.5)

        def predict(images: Tensor) -> Tensor:
            change = (images - 0.5).abs().amax((1, 2, 3))
            fooled = ((change > 1e-6) & (change < 0.15)).float()[:, None] + 0 * images.sum()
            return torch.nn.functional.one_hot((LABELS + fooled.long().squeeze(1)) % N_WAY, N_WAY) + 0 * fooled

        return EpisodeModel(predict, query, LABELS)

    settings = SETTINGS.model_copy(update={"poisoned_epsilon": None, "l2_epsilons": ()})
    for epsilons, expected in {(0.1, 0.3): [0.0, 0.0], (0.3,): [1.0]}.items():
        result = evaluate(adapt, pictures, settings.model_copy(update={"linf_epsilons": epsilons}))
        assert [row["mean"] for row in rows(result, attack="pgd")] == expected


def test_the_poisoned_support_set_reaches_the_adaptation(pictures: Pictures, result: RobustnessResult) -> None:
    assert sorted(index for index, _ in pictures.replaced) == list(range(SETTINGS.episodes))
    for index, support in pictures.replaced:
        change = (support - pictures.support_of(index)[0]).abs()
        assert 0 < change.max() <= SETTINGS.poisoned_epsilon + 1e-6
        assert support.min() >= 0 and support.max() <= 1
    unattacked, attacked = rows(result, support="poisoned")
    assert unattacked["mean"] < result.table["natural"]["mean"]
    assert attacked["mean"] < unattacked["mean"]


def test_without_a_poisoned_epsilon_no_support_set_is_replaced(pictures: Pictures) -> None:
    def adapt(index: int, support: Tensor | None) -> EpisodeModel:
        assert support is None
        return pictures.adapt(index, None)

    result = evaluate(adapt, pictures, SETTINGS.model_copy(update={"poisoned_epsilon": None}))
    assert rows(result, support="poisoned") == []


def test_without_radii_nothing_is_attacked(pictures: Pictures, result: RobustnessResult) -> None:
    none = {"linf_epsilons": (), "l2_epsilons": (), "poisoned_epsilon": None}
    replaced = len(pictures.replaced)
    alone = evaluate_robustness(image, pictures.adapt, pictures.support_of, SETTINGS.model_copy(update=none), seed=0)
    assert alone.table == {"episodes": 6, "natural": result.table["natural"], "robust": [], "masking_checks": {}}
    assert not alone.pictures and len(pictures.replaced) == replaced


def test_threads_change_nothing(make_bank: Callable[..., TaskBank], result: RobustnessResult) -> None:
    for workers in (1, 3):
        pictures = Pictures(make_bank())
        again = evaluate(pictures.adapt, pictures, workers=workers)
        assert again.table == result.table
        for name, array in result.pictures.items():
            np.testing.assert_array_equal(again.pictures[name], array)


def test_threads_are_as_many_as_before(pictures: Pictures) -> None:
    def fail(index: int, support: Tensor | None) -> EpisodeModel:
        assert torch.get_num_threads() == 1
        raise RuntimeError(f"no episode {index}")

    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="no episode 0"):
            evaluate(fail, pictures)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_masking_is_checked_with_the_other_network(make_bank: Callable[..., TaskBank]) -> None:
    pictures, asked = Pictures(make_bank()), []

    def other(index: int, support: Tensor | None) -> EpisodeModel:
        asked.append((index, support))
        return pictures.adapt(index, None)

    checks = evaluate(pictures.adapt, pictures, transfer_from=other).table["masking_checks"]
    assert sorted(asked) == [(0, None), (1, None), (2, None)]
    assert list(checks) == [
        "chance_at_epsilon_1",
        "more_steps_never_help_the_defender",
        "pgd_beats_noise",
        "pgd_is_no_weaker_than_fgsm",
        "transferred_attack_is_no_stronger",
    ]
    assert all(check["passed"] for check in checks.values())


def test_pictures_are_the_first_query_of_each_class(result: RobustnessResult, pictures: Pictures) -> None:
    shown, model = result.pictures, pictures.adapt(0, None)
    assert shown["clean"].shape == shown["attacked"].shape == (N_WAY, 1, 16, 16)
    assert shown["clean"].dtype == shown["attacked"].dtype == np.uint8
    np.testing.assert_array_equal(shown["clean"], (model.query[::N_QUERY] * 255).round().numpy())
    np.testing.assert_array_equal(shown["label"], np.arange(N_WAY))
    np.testing.assert_array_equal(shown["clean_prediction"], model.predict(model.query).argmax(1)[::N_QUERY])
    change = np.abs(shown["attacked"].astype(int) - shown["clean"])
    assert 20 < change.max() <= 26  # 0.1 * 255 and rounding
    attacked = torch.from_numpy(shown["attacked"]).float() / 255
    np.testing.assert_array_equal(shown["attacked_prediction"], model.predict(attacked).argmax(1))
    assert shown["eps"] == 0.1
