"""Nodes that learn to find a goal in the plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import torch

from metagan.evaluation.confidence import mean_and_ci95
from metagan.nets.randomness import seeded
from metagan.parameters.control import Control
from metagan.reinforcement.comparison import TEST_SEED, TUNING_SEED
from metagan.reinforcement.navigation import Navigation, oracle
from metagan.reinforcement.navigator import Navigator, walked
from metagan.reinforcement.policy_gradient import Parameters, PolicyGradient, adaptation, initialised
from metagan.reinforcement.problems import Numbers
from metagan.reporting.control import SHOWN, control_page
from metagan.training.agent import train_agent
from metagan.training.policy_gradient import train_policy

Row = dict[str, Any]


def compare(settings: dict[str, Any], seed: int, checkpoint_folder: Path) -> tuple[dict[str, Any], str]:
    """What each policy earns on a walk to goals of its own, by the walks that it has had to find them; and a page."""
    chosen = Control.model_validate(settings)
    family, folder = Navigation(chosen.horizon, chosen.episodes), checkpoint_folder / "agents"
    name = f"navigation {chosen.horizon}x{chosen.episodes}"
    agent, agent_history, agent_seconds = train_agent(
        "control.agent", name, Navigator, family, chosen.agent, seed, folder, _told("rl2")
    )
    start, maml_history, maml_seconds = train_policy(family, chosen.maml, seed, folder, _told("maml"))
    goals = family.goals(chosen.goals, seed + TEST_SEED)
    with seeded(seed):
        untrained = Navigator(family, chosen.agent.hidden_size, chosen.agent.discount)
    policies = [
        _by_memory("rl2", agent, family, goals, seed),
        _by_memory("rl2_untrained", untrained, family, goals, seed),
        _by_gradients("maml", start, chosen, chosen.maml.inner_learning_rate, goals, seed),
        _from_scratch(chosen, family, goals, seed),
        {"policy": "oracle", "walks_before": [0], "earned": [mean_and_ci95(oracle(family, goals))]},
    ]
    for policy in policies:
        for walks, earned in zip(policy["walks_before"], policy["earned"], strict=True):
            if mlflow.active_run():
                mlflow.log_metric(f"control/{policy['policy']}", earned["mean"], walks)
    results = {
        "horizon": chosen.horizon,
        "test_goals": chosen.goals,
        "shown_goals": goals[:SHOWN].tolist(),
        "policies": policies,
        "history": {"rl2": agent_history, "maml": maml_history},
        "training_seconds": {"rl2": agent_seconds, "maml": maml_seconds},
    }
    return results, control_page(results)


def _told(name: str) -> Callable[[dict[str, float]], None]:
    def report(row: dict[str, float]) -> None:
        if mlflow.active_run():
            mlflow.log_metric(f"control/{name}/training_reward", row["reward"], int(row["steps"]))

    return report


def _row(name: str, walks_before: Iterable[int], rewards: Numbers, places: Numbers, **more: Any) -> Row:
    """Of rewards (W, N) and places (W, T, N, 2) after so many walks; the first goals' last places are for the page."""
    return {
        "policy": name,
        "walks_before": list(walks_before),
        "earned": [mean_and_ci95(each) for each in rewards],
        "shown_walks": places[:, :, :SHOWN].transpose(0, 2, 1, 3).round(4).tolist(),
        **more,
    }


def _by_memory(name: str, agent: Navigator, family: Navigation, goals: Numbers, seed: int) -> Row:
    rewards, places = walked(agent, family, goals, seed)
    return _row(name, range(family.episodes), rewards, places)


def _by_gradients(name: str, start: Parameters, settings: Control, rate: float, goals: Numbers, seed: int) -> Row:
    own = PolicyGradient(**settings.maml.model_dump(exclude={"steps"}))
    own, steps = replace(own, inner_learning_rate=rate), settings.maml.steps
    found = adaptation(start, settings.horizon, goals, own, steps, seed)
    walks_before = range(0, own.walks * (steps + 1), own.walks)
    return _row(name, walks_before, found.rewards, found.places, inner_learning_rate=rate)


def _from_scratch(settings: Control, family: Navigation, goals: Numbers, seed: int) -> Row:
    """The same gradient steps from random networks, at the rate that is best for other goals."""
    start = initialised(settings.maml.hidden_size, torch.Generator().manual_seed(seed))
    others = family.goals(settings.tuning_goals, seed + TUNING_SEED)

    def last(rate: float) -> float:
        return _by_gradients("", start, settings, rate, others, seed)["earned"][-1]["mean"]

    return _by_gradients("scratch", start, settings, max(settings.untrained_rates, key=last), goals, seed)
