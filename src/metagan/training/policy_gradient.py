"""Meta-training of a policy by MAML that goes on after an interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from metagan.parameters.control import PolicyGradientSettings
from metagan.reinforcement.navigation import Navigation
from metagan.reinforcement.policy_gradient import Parameters, PolicyGradient, PolicyTraining
from metagan.training import resumed
from metagan.training.fitting import fingerprint
from metagan.training.resumed import Row


def train_policy(
    family: Navigation, settings: PolicyGradientSettings, seed: int, folder: Path, report: Callable[[Row], None]
) -> tuple[Parameters, list[Row], float]:
    """The start that gradient steps adapt, a row for each update (steps, before, reward), and the seconds it took."""
    training = PolicyTraining(family, PolicyGradient(**settings.model_dump(exclude={"steps"})), seed)
    folder = folder / f"maml_{fingerprint(settings, seed, str(family))}"
    seconds = resumed.run("maml", training, settings.updates, folder, report)
    return {name: value.detach() for name, value in training.parameters.items()}, training.history, seconds
