from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metagan.errors import UserError
from metagan.evaluation.features import embed_images
from metagan.evaluation.frechet import frechet_distance
from metagan.parameters import TrainWithRule
from metagan.tasks.bank import TaskBank
from metagan.training.controlled_training import INPUTS, OUTPUTS, constant, first_weights
from metagan.training.embedder import load_embedder
from metagan.training.gan_stack import GanStack
from metagan.training.saved import ControllerHeader, SavedModel
from metagan.training.whole_comparison import (
    GanSetting,
    WholeTrainings,
    compared_whole,
    controller_of,
    wrong_settings,
)
from metagan.training.whole_gan import architecture_for

SETTINGS = TrainWithRule.model_validate(
    {
        "gan": {"classes": 3, "steps": 4, "batch_size": 4, "interval": 1, "noise_size": 4},
        "controller": {"block": 2},
        "generator_rates": [0.01, 0.03],
        "discriminator_rates": [0.003],
        "measure_every": 2,
        "seeds": 2,
    }
)


@pytest.fixture
def trainings(bank: TaskBank, embedders: Any) -> WholeTrainings:
    return WholeTrainings(bank, load_embedder(embedders[0], bank), SETTINGS)


def test_wrong_settings_are_what_they_say() -> None:
    good = GanSetting((0.01, 0.003), 1.0)
    wrong = wrong_settings(good, 10.0)
    assert wrong["good"] == good
    assert wrong["rates too high"] == (pytest.approx((0.1, 0.03)), 1.0, False)
    assert wrong["rates too low"] == (pytest.approx((0.001, 0.0003)), 1.0, False)
    assert wrong["no R1"] == ((0.01, 0.003), 0.0, False)
    assert wrong["discriminator twice as wide"] == ((0.01, 0.003), 1.0, True)
    assert len(wrong) == 5


def test_what_is_tuned_is_the_best_of_all_that_were_tried(trainings: WholeTrainings) -> None:
    tuned = trainings.tuned(0)
    assert [(each["schedule"], each["rates"]) for each in tuned["tried"]] == [
        ("constant", [0.01, 0.003]), ("constant", [0.03, 0.003]), ("cosine", [0.01, 0.003]), ("cosine", [0.03, 0.003])
    ]  # fmt: skip
    assert tuned["final"] == min(each["final"] for each in tuned["tried"])
    best = next(each for each in tuned["tried"] if each["final"] == tuned["final"])
    assert (best["schedule"], best["rates"]) == (tuned["schedule"], tuned["rates"])


def test_a_run_is_a_stack_of_its_own_and_measured_by_the_given_embedder(
    trainings: WholeTrainings, bank: TaskBank, embedders: Any
) -> None:
    images = trainings.images("test", 0)
    assert len(images) == 30 and torch.equal(images, bank.domain.to_tensor(bank.images[bank.places("test")]))
    curves = trainings.run(constant, [GanSetting((0.01, 0.003), 1.0, wide=True)], [images], [7], trainings.steps)
    architecture = architecture_for(bank, SETTINGS.gan, wide=True)
    assert architecture.discriminator_width == 16 and architecture.generator_width == 8
    stack = GanStack(architecture, [images], [15], torch.tensor([1.0]), 4)
    embed, expected = load_embedder(embedders[0], bank), []
    for step in range(5):
        if step % 2 == 0:
            made = embed_images(embed, stack.samples_of(0, 30))
            expected.append(frechet_distance(made, embed_images(embed, images)))
        stack.step(torch.tensor([[0.01, 0.003]]), torch.ones(1, dtype=torch.long))
    np.testing.assert_allclose(curves.frechet[0], expected, rtol=1e-5)
    assert curves.rates.shape == (1, 4, 2) and curves.turns.tolist() == [[1, 1, 1, 1]]
    assert not curves.diverged.any() and curves.seconds > 0


def test_rows_stand_beside_the_level_of_their_own_seed(trainings: WholeTrainings) -> None:
    tuned = {"schedule": "constant", "rates": [0.01, 0.003]}
    rows = compared_whole(trainings, constant, tuned, 5)
    assert {(row["setting"], row["policy"], row["seed"]) for row in rows} == {
        (setting, policy, seed)
        for setting in wrong_settings(GanSetting((0.01, 0.003), 1.0), 10.0)
        for policy in ("fixed", "untrained", "controller")
        for seed in (5, 6)
    }
    levels = {row["seed"]: row["final"] for row in rows if row["setting"] == "good" and row["policy"] == "fixed"}
    assert levels[5] != levels[6]
    for row in rows:
        level = levels[row["seed"]]
        assert row["level"] == level and row["over_level"] == pytest.approx(row["final"] / level)
        assert row["rescued"] == (row["final"] <= 1.2 * level)
        below = [step for step, value in zip((0, 2, 4), row["frechet"], strict=True) if value <= level]
        assert row["steps_to_level"] == (below[0] if below else None)
        assert row["share_of_steps"] == (below[0] / 4 if below else None)
    fixed, same = ([row["frechet"] for row in rows if row["policy"] == policy] for policy in ("fixed", "controller"))
    assert fixed == same  # of two policies that do the same


def test_a_controller_of_other_signals_is_refused() -> None:
    state = {"weights": first_weights()}
    with pytest.raises(UserError, match=rf"trained to see 3 numbers, but trainings show {INPUTS}"):
        controller_of(SavedModel(ControllerHeader(inputs=3), {"weights": torch.zeros(OUTPUTS, 3)}))
    assert controller_of(SavedModel(ControllerHeader(inputs=INPUTS), state)) is not None
