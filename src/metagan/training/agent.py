"""Training of an RL² agent that goes on after an interruption."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

from metagan.errors import UserError
from metagan.files import replaced, save_tensors
from metagan.parameters.bandits import AgentSettings
from metagan.reinforcement.agent import Agent
from metagan.reinforcement.ppo import Ppo, Training
from metagan.reinforcement.problems import Family
from metagan.training.checkpoints import LAST, SECONDS_BETWEEN, newest_whole
from metagan.training.fitting import ended, fingerprint

LINES = 20

log = logging.getLogger(__name__)


def settings_of(settings: AgentSettings, family: Family) -> Ppo:
    """Trials and updates from steps; a training ends with the update that reaches `steps`."""
    per_update = max(settings.minibatches, round(settings.steps_per_update / family.steps))
    return Ppo(
        updates=-(-settings.steps // (per_update * family.steps)),
        trials_per_update=per_update,
        **settings.model_dump(exclude={"steps", "steps_per_update"}),
    )


def train_agent(
    name: str,
    family: Family,
    settings: AgentSettings,
    seed: int,
    folder: Path,
    report: Callable[[dict[str, float]], None],
) -> tuple[Agent, list[dict[str, float]], float]:
    """The agent, a row for each update (steps, reward), and the seconds that training took; `report` gets each row."""
    training = Training(family, settings_of(settings, family), seed)
    folder = folder / f"{name.replace(' ', '_')}_{fingerprint(settings, seed, name)}"
    seconds = 0.0
    if path := newest_whole(folder):
        state = torch.load(path, weights_only=True)
        training.load(state)
        seconds = state["seconds"]
    started, saved = time.monotonic() - seconds, time.monotonic()
    updates = training.settings.updates
    while training.done < updates:
        try:
            training.update()
        except UserError as error:
            raise UserError(f"bandits.agent.{error}") from None
        report(training.history[-1])
        if training.done % max(1, updates // LINES) == 0:
            log.info("%s: %d of %d updates, reward %.2f", name, training.done, updates, training.history[-1]["reward"])
        if training.done == updates or time.monotonic() - saved >= SECONDS_BETWEEN:
            seconds, saved = time.monotonic() - started, time.monotonic()
            with replaced(folder / LAST) as temporary:
                save_tensors({**training.state(), "seconds": seconds}, temporary)
    ended.add(folder)
    return training.agent, training.history, seconds
