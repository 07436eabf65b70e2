"""Nodes that train RL² where the answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow

from metagan.evaluation.confidence import mean_and_ci95
from metagan.parameters import Bandits
from metagan.reinforcement.agent import Agent, AgentPolicy
from metagan.reinforcement.comparison import (
    PUBLISHED,
    TEST_SEED,
    Candidates,
    bandit_candidates,
    best,
    earned,
    mdp_candidates,
)
from metagan.reinforcement.mdp_policies import oracle
from metagan.reinforcement.problems import Family, bandits, tabular_mdps
from metagan.reinforcement.tabular_agent import TabularAgent
from metagan.reporting.bandits import bandits_page
from metagan.training.agent import train_agent


def compare(settings: dict[str, Any], seed: int, checkpoint_folder: Path) -> tuple[dict[str, Any], str]:
    """For each problem what every policy earns on the same trials, and how the agent learned; and a page of it."""
    chosen = Bandits.model_validate(settings)
    results: dict[str, Any] = {"bandits": [], "mdp": []}
    for problem in chosen.bandits:
        family = bandits(problem.pulls, problem.arms)
        known = bandit_candidates(family, chosen.ucb_bonuses, chosen.gittins_discounts)
        name, trials = f"bandit {problem.pulls}x{problem.arms}", chosen.bandit_trials
        row = _compared(name, family, Agent, known, trials, chosen, seed, checkpoint_folder / "agents")
        results["bandits"].append({**problem.model_dump(), **row})
    for problem in chosen.mdps:
        family = tabular_mdps(problem.episodes)
        known, name = mdp_candidates(family, chosen.epsilons), f"mdp {problem.episodes}"
        row = _compared(
            name, family, TabularAgent, known, chosen.mdp_trials, chosen, seed, checkpoint_folder / "agents"
        )
        results["mdp"].append({**problem.model_dump(), **row})
    return results, bandits_page(results)


def _compared(
    name: str,
    family: Family,
    make_agent: type[Agent] | type[TabularAgent],
    known: list[Candidates],
    trials: int,
    settings: Bandits,
    seed: int,
    checkpoint_folder: Path,
) -> dict[str, Any]:
    def report(row: dict[str, float]) -> None:
        if mlflow.active_run():
            mlflow.log_metric(f"{name.replace(' ', '_')}/training_reward", row["reward"], int(row["steps"]))

    agent, history, seconds = train_agent(
        "bandits.agent", name, make_agent, family, settings.agent, seed, checkpoint_folder, report
    )
    policies = []
    for candidates in known:
        constant, make = best(candidates, family, settings.tuning_trials, seed)
        policies.append({"policy": candidates.name, "constant": constant, "make": make})
    policies.append({"policy": "rl2", "constant": None, "make": lambda own: AgentPolicy(agent, own)})
    for policy in policies:
        policy |= mean_and_ci95(earned(policy.pop("make"), family, trials, seed + TEST_SEED))
    policies.append({"policy": "oracle", "constant": None, **mean_and_ci95(oracle(family, trials, seed + TEST_SEED))})
    for policy in policies:
        policy["published"] = PUBLISHED.get(name, {}).get(policy["policy"])
        if mlflow.active_run():
            mlflow.log_metric(f"{name.replace(' ', '_')}/{policy['policy']}", policy["mean"])
    return {"name": name, "trials": trials, "policies": policies, "history": history, "training_seconds": seconds}
