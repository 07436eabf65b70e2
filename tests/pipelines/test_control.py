from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from metagan.pipelines.control.nodes import compare

SETTINGS: dict[str, Any] = {
    "horizon": 5,
    "goals": 30,
    "tuning_goals": 10,
    "untrained_rates": [0.1, 1.0],
    "agent": {"steps": 200, "steps_per_update": 100, "hidden_size": 8},
    "maml": {"updates": 2, "goals_per_update": 2, "walks": 4, "hidden_size": 8, "steps": 2},
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    return compare(SETTINGS, 0, tmp_path_factory.mktemp("checkpoints"))


def test_every_policy_is_measured_after_the_walks_that_it_had(compared: tuple[dict[str, Any], str]) -> None:
    rows = {policy["policy"]: policy for policy in compared[0]["policies"]}
    assert {name: row["walks_before"] for name, row in rows.items()} == {
        "rl2": [0, 1],
        "rl2_untrained": [0, 1],
        "maml": [0, 4, 8],
        "scratch": [0, 4, 8],
        "oracle": [0],
    }
    oracle = rows["oracle"]["earned"][0]["mean"]
    assert all(earned["mean"] < oracle for name, row in rows.items() if name != "oracle" for earned in row["earned"])
    assert rows["maml"]["inner_learning_rate"] == 1.0 and rows["scratch"]["inner_learning_rate"] in (0.1, 1.0)
    assert [row["steps"] for row in compared[0]["history"]["maml"]] == [80, 160]


def test_the_walks_that_are_shown_begin_in_the_middle_and_are_of_the_shown_goals(
    compared: tuple[dict[str, Any], str],
) -> None:
    for policy in compared[0]["policies"][:4]:
        shown = np.array(policy["shown_walks"])
        assert shown.shape == (len(policy["walks_before"]), 4, 5, 2) and not shown[:, :, 0].any()
        assert np.abs(np.diff(shown, axis=2)).max() <= 0.1001


def test_the_page_shows_every_number(compared: tuple[dict[str, Any], str]) -> None:
    results, page = compared
    for policy in results["policies"]:
        for earned in policy["earned"]:
            assert f"{earned['mean']:.2f} ± {earned['ci95']:.2f}" in page
    assert page.count("the last walks of RL² and MAML to the goal") == 4


def test_equal_seeds_give_equal_results(compared: tuple[dict[str, Any], str], tmp_path: Any) -> None:
    again, _ = compare(SETTINGS, 0, tmp_path)
    assert again["policies"] == compared[0]["policies"]
