from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metagan.errors import UserError
from metagan.parameters import TrainWithRule, valid_section
from metagan.tasks.bank import TaskBank
from metagan.training import controller_evolution, resumed
from metagan.training.controlled_training import INPUTS, OUTPUTS
from metagan.training.controller_evolution import BOUNDS, Evolution, Pairs, train_controller
from metagan.training.embedder import load_embedder
from metagan.training.saved import ControllerHeader, SavedModel

SMALL: dict[str, Any] = {
    "gan": {"classes": 3, "steps": 4, "batch_size": 4, "interval": 1, "noise_size": 4},
    "controller": {"updates": 5, "pairs": 3, "wide_pairs": 2, "block": 2, "batch_size": 4, "samples": 12},
    "measure_every": 2,
}
SETTINGS = TrainWithRule.model_validate(SMALL)

Train = Callable[..., tuple[SavedModel[ControllerHeader], list[dict[str, float]]]]


@pytest.fixture
def train(bank: TaskBank, embedders: Any, tmp_path: Path) -> Train:
    def run(folder: str = "a", seed: int = 0, report: Any = lambda row: None) -> Any:
        return train_controller(bank, embedders[1], SETTINGS, seed, tmp_path / folder, report)

    return run


@pytest.fixture
def pairs(bank: TaskBank) -> Pairs:
    return Pairs(bank, SETTINGS, False, 0)


def test_a_training_moves_the_weights_and_says_how(train: Train) -> None:
    rows: list[dict[str, float]] = []
    saved, history = train(report=rows.append)
    assert rows == history and [row["update"] for row in history] == [1, 2, 3, 4, 5]
    assert all(BOUNDS[0] <= row["log_distance"] <= BOUNDS[1] for row in history)
    assert (saved.state["weights"] - controller_evolution.first_weights()).abs().min() > 0
    assert (
        saved.header.inputs == INPUTS
        and {"task_bank", "objective_embedder"} == saved.header.provenance.made_from.keys()
    )


def test_equal_seeds_give_equal_controllers(train: Train) -> None:
    assert train("a")[0].content_hash == train("b")[0].content_hash != train("c", seed=1)[0].content_hash


@pytest.mark.parametrize("after", [2, 3])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    train: Train, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumed, "SECONDS_BETWEEN", 0.0)
    whole, rows = train("whole")
    update = Evolution.update

    def stopped(evolution: Evolution) -> None:
        if len(evolution.history) == after:
            raise RuntimeError("pulled the plug")
        update(evolution)

    with monkeypatch.context() as patched:
        patched.setattr(Evolution, "update", stopped)
        with pytest.raises(RuntimeError, match="plug"):
            train("cut")
    told: list[dict[str, float]] = []
    again, history = train("cut", report=told.append)
    assert again.content_hash == whole.content_hash
    assert [row["log_distance"] for row in history] == [row["log_distance"] for row in rows]
    assert [row["update"] for row in told] == list(range(after + 1, 6))


def test_the_estimate_of_a_linear_score_by_hand(pairs: Pairs, embedders: Any, bank: TaskBank, monkeypatch: Any) -> None:
    """Of each pair its disturbance times the slope along it; both of a pair play the same problem at all times."""
    slope = torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(0))
    used: list[Tensor] = []

    def acting(weights: Tensor) -> Any:
        used.append(weights)
        return controller_evolution_policy(weights)

    controller_evolution_policy = controller_evolution.controlled_by
    monkeypatch.setattr(controller_evolution, "controlled_by", acting)
    monkeypatch.setattr(Pairs, "scores", lambda self, embed: (used[-1] * slope).sum((1, 2)))
    middle = torch.randn(OUTPUTS, INPUTS, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        disturbances = pairs.disturbances.clone()
        found, _ = pairs.estimate(middle, load_embedder(embedders[1], bank))
        expected = disturbances * (disturbances * slope).sum((1, 2))[:, None, None]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close((used[-1][0::2] + used[-1][1::2]) / 2, middle.expand(3, -1, -1))
        stack = pairs.stack
        assert stack.seeds[0::2] == stack.seeds[1::2] and len(set(stack.seeds)) == 3
        assert torch.equal(pairs.trainings.rates[0::2], pairs.trainings.rates[1::2])


def test_trainings_end_in_turn_and_others_begin(pairs: Pairs, embedders: Any, bank: TaskBank) -> None:
    embed = load_embedder(embedders[1], bank)
    before = pairs.disturbances.clone()
    assert pairs.left.tolist() == [1, 1, 2]
    pairs.estimate(torch.zeros(OUTPUTS, INPUTS), embed)
    assert pairs.problems == [3, 4, 2] and pairs.stack.steps.tolist() == [0, 0, 0, 0, 2, 2]
    assert torch.equal(pairs.disturbances[2], before[2]) and not torch.equal(pairs.disturbances[0], before[0])
    pairs.estimate(torch.zeros(OUTPUTS, INPUTS), embed)
    assert pairs.problems == [3, 4, 5] and pairs.stack.steps.tolist() == [2, 2, 2, 2, 0, 0]


def test_a_training_without_numbers_scores_the_bound(pairs: Pairs, embedders: Any, bank: TaskBank) -> None:
    pairs.stack.parameters["generator"]["coarse.weight"][0] = float("nan")
    scores = pairs.scores(load_embedder(embedders[1], bank))
    assert scores[0] == BOUNDS[1] and scores[1:].max() < BOUNDS[1] and BOUNDS[0] <= scores.min()


def test_problems_are_within_what_is_said(pairs: Pairs) -> None:
    problems = [pairs.problem(number) for number in range(40)]
    rates = torch.stack([problem.rates for problem in problems]) / torch.tensor([0.01, 0.003])
    assert rates.min() >= 0.1 and rates.max() <= 10 and rates.log().std() > 1
    assert {problem.r1 for problem in problems} == {0.0, 1.0}
    assert len({problem.seed for problem in problems}) == 40 and all(problem.seed % 2 == 0 for problem in problems)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gan": {"interval": 30}}, "train_with_rule.gan.interval: must divide steps = 1000, not be 30"),
        ({"controller": {"block": 30}}, "controller.block: must be a multiple of gan.interval = 25 that divides"),
        ({"measure_every": 60}, "measure_every: must be a multiple of gan.interval = 25 that divides gan.steps"),
        ({"gan": {"discriminator_width": 300}}, "gan.discriminator_width: must be at most 256"),
        ({"controller": {"deviation": 0.0}}, "train_with_rule.controller.deviation: 0.0 is not valid"),
        ({"controler": {}}, "train_with_rule.controler: unknown parameter; known here are gan, controller"),
    ],
)
def test_what_cannot_be_trained_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        valid_section("train_with_rule", TrainWithRule, changes)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("classes", "said"), [(9, "train split of pictures has 8"), (4, "test split of pictures has 3")]
)
def test_more_classes_than_a_split_has_are_refused_before_any_training(
    bank: TaskBank, embedders: Any, tmp_path: Path, classes: int, said: str
) -> None:
    settings = SETTINGS.model_copy(update={"gan": SETTINGS.gan.model_copy(update={"classes": classes})})
    with pytest.raises(UserError, match=rf"gan\.classes: {classes}, but the {said} classes"):
        train_controller(bank, embedders[1], settings, 0, tmp_path, lambda row: None)
