"""Training of an RL² agent that goes on after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from torch import nn

from metagan.errors import UserError
from metagan.parameters.bandits import AgentSettings
from metagan.reinforcement.ppo import AgentTraining, Ppo, Problems
from metagan.training import resumed
from metagan.training.fitting import fingerprint
from metagan.training.resumed import Row

AgentType = TypeVar("AgentType", bound=nn.Module)


def settings_of(settings: AgentSettings, problems: Problems) -> Ppo:
    """Trials and updates from steps; a training ends with the update that reaches `steps`."""
    per_update = max(settings.minibatches, round(settings.steps_per_update / problems.steps))
    return Ppo(
        updates=-(-settings.steps // (per_update * problems.steps)),
        trials_per_update=per_update,
        **settings.model_dump(exclude={"steps", "steps_per_update", "hidden_size"}),
    )


def train_agent(
    section: str,
    name: str,
    make: Callable[[Problems, int, float], AgentType],
    problems: Problems,
    settings: AgentSettings,
    seed: int,
    folder: Path,
    report: Callable[[Row], None],
) -> tuple[AgentType, list[Row], float]:
    """The agent that `make` gives of the problems, a hidden size and a discount; a row for each update (steps, reward);
    and the seconds that training took. `report` gets each row.

    `section` is what the settings are called in conf/, for a refusal.
    """
    ppo = settings_of(settings, problems)
    training = AgentTraining(lambda: make(problems, settings.hidden_size, settings.discount), ppo, seed)
    folder = folder / f"{name.replace(' ', '_')}_{fingerprint(settings, seed, name)}"
    try:
        seconds = resumed.run(name, training, ppo.updates, folder, report)
    except UserError as error:
        raise UserError(f"{section}.{error}") from None
    return training.agent, training.history, seconds
