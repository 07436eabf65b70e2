from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from metagan.errors import UserError
from metagan.parameters.bandits import AgentSettings
from metagan.reinforcement.agent import Agent
from metagan.reinforcement.ppo import AgentTraining
from metagan.reinforcement.problems import bandits, tabular_mdps
from metagan.training import resumed
from metagan.training.agent import settings_of, train_agent

SETTINGS = AgentSettings(steps=200, steps_per_update=50, hidden_size=8, minibatches=2)
FAMILY = bandits(5, 2)


trained = partial(train_agent, "bandits.agent", "bandit", Agent, FAMILY)


def nothing(row: dict[str, float]) -> None:
    pass


def test_an_update_has_about_the_steps_that_are_wanted() -> None:
    ppo = settings_of(AgentSettings(steps=1000, steps_per_update=320, minibatches=2), tabular_mdps(1))
    assert (ppo.trials_per_update, ppo.updates) == (32, 4)
    assert settings_of(SETTINGS, bandits(100, 2)).trials_per_update == 2  # one for each minibatch


def test_an_interrupted_training_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumed, "SECONDS_BETWEEN", 0.0)
    whole, history, _ = trained(SETTINGS, 0, tmp_path / "whole", nothing)

    def interrupt(row: dict[str, float]) -> None:
        if row["steps"] == 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(SETTINGS, 0, tmp_path / "cut", interrupt)
    seen: list[dict[str, float]] = []
    whole_again, again, seconds = trained(SETTINGS, 0, tmp_path / "cut", seen.append)
    assert [row["steps"] for row in seen] == [150, 200]
    assert again == history and seconds > 0
    for name, value in whole.state_dict().items():
        assert torch.equal(value, whole_again.state_dict()[name]), name


def test_another_seed_or_setting_is_another_training(tmp_path: Path) -> None:
    for seed, settings in ((0, SETTINGS), (1, SETTINGS), (0, SETTINGS.model_copy(update={"clip": 0.2}))):
        trained(settings, seed, tmp_path, nothing)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_rate_that_is_too_high_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise UserError("learning_rate: 1.0 is too high")

    monkeypatch.setattr(AgentTraining, "update", refuse)
    with pytest.raises(UserError, match=r"^bandits\.agent\.learning_rate: 1\.0 is too high$"):
        trained(SETTINGS, 0, tmp_path, nothing)
