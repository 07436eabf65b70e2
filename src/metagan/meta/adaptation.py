"""The inner loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metagan.meta.differentiation import Differentiate, Parameters
from metagan.meta.learners.base import Learner, TaskTensors
from metagan.meta.update_rules.base import RULE_PREFIX, UpdateRule


def adapt(
    learner: Learner,
    rule: UpdateRule,
    meta_parameters: Parameters,
    task: TaskTensors,
    steps: int,
    differentiate: Differentiate,
    create_graph: bool,
) -> Iterator[Parameters]:
    """Yield the parameters after each of `steps` inner steps on the task's support set.

    Tensors adapted are those that the rule has meta-parameters for; all others stay as they are.
    """
    parameters = {name: value for name, value in meta_parameters.items() if not name.startswith(RULE_PREFIX)}
    adapted = {player: adapted_names(meta_parameters, player) for player in learner.players}
    for step in range(steps):
        for player in learner.players:
            values = {name: parameters[name] for name in adapted[player]}

            def loss(candidate: Parameters, player: str = player, step: int = step) -> object:
                return learner.inner_loss(player, {**parameters, **candidate}, task, step)  # noqa: B023

            _, gradients = differentiate(loss, values, create_graph)
            parameters = {**parameters, **rule.update(meta_parameters, values, gradients, step)}
        yield parameters


def adapted_names(meta_parameters: Parameters, player: str) -> Sequence[str]:
    """Names of the player's tensors that an inner step changes."""
    prefix = f"{RULE_PREFIX}{player}."
    return [name.removeprefix(RULE_PREFIX) for name in meta_parameters if name.startswith(prefix)]
