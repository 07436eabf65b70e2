from __future__ import annotations

from typing import Any

import pytest

from metagan.pipelines.bandits.nodes import compare

SETTINGS: dict[str, Any] = {
    "bandits": [{"pulls": 10, "arms": 5}],
    "mdps": [{"episodes": 2}],
    "bandit_trials": 500,
    "mdp_trials": 100,
    "tuning_trials": 100,
    "agent": {"steps": 400, "steps_per_update": 200, "hidden_size": 8},
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    return compare(SETTINGS, 0, tmp_path_factory.mktemp("checkpoints"))


def test_every_policy_is_measured_and_stands_beside_what_is_published(compared: tuple[dict[str, Any], str]) -> None:
    (bandit,), (mdp,) = compared[0]["bandits"], compared[0]["mdp"]
    rows = {policy["policy"]: policy for policy in bandit["policies"]}
    assert rows.keys() == {"random", "greedy", "ucb1", "thompson", "gittins", "rl2", "oracle"}
    assert rows["gittins"]["published"] == 6.6 and rows["greedy"]["published"] is None
    assert rows["random"]["mean"] == pytest.approx(5.0, abs=0.3)
    assert rows["rl2"]["mean"] == pytest.approx(5.0, abs=0.3)  # of a training that has hardly begun
    assert rows["oracle"]["mean"] == pytest.approx(10 * 5 / 6, abs=0.2)
    assert rows["ucb1"]["constant"] in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
    assert [row["steps"] for row in bandit["history"]] == [200, 400]
    assert {policy["policy"] for policy in mdp["policies"]} == {"random", "epsilon_greedy", "psrl", "rl2", "oracle"}


def test_the_page_shows_every_number(compared: tuple[dict[str, Any], str]) -> None:
    results, page = compared
    for problem in (*results["bandits"], *results["mdp"]):
        assert f"<h2>{problem['name']}</h2>" in page
        assert f"{problem['name']}: total reward of a trial over millions of training steps" in page
        for policy in problem["policies"]:
            assert f"{policy['mean']:.2f} ± {policy['ci95']:.2f}" in page
