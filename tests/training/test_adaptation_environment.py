"""Adaptation as an environment: what is done in it is what the controller does by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import by_autograd
from metagan.meta.update_rules.controller import HIDDEN
from metagan.meta.update_rules.lstm import lstm_cell
from metagan.parameters import MetaTrain, Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.adaptation_trials import ACTIONS, INPUTS, AdaptationTrials
from metagan.training.data import generation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.gan import Gan, architecture_of, initial_gan

HORIZON, COUNT = 3, 2


@pytest.fixture
def gan(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> Gan:
    training = make_settings()
    gan = initial_gan(architecture_of(bank, training), training.inner, 0)
    return gan.with_first_rules(0, update_rule="controller", generator_learning_rate=0.05, steps=HORIZON)


@pytest.fixture
def make_trials(
    bank: TaskBank, gan: Gan, make_settings: Callable[..., MetaTrain], embedders: tuple[Any, Any]
) -> Callable[..., AdaptationTrials]:
    def make(count: int = COUNT, adaptations: int = 2) -> AdaptationTrials:
        def tasks(trial: int) -> dict[str, Tensor]:
            drawn = range(trial * count, (trial + 1) * count)
            return generation_tasks(task_stream(bank, 0), "train", drawn, 3, 4, HORIZON, Networks(noise_size=4))[0]

        rates = {name: value for name, value in gan.parameters.items() if "log_rate" in name}
        learner = gan.learner(make_settings(), load_embedder(embedders[1], bank))
        tensors = gan.rules["generator"].tensors
        return AdaptationTrials(learner, tensors, rates, tasks, lambda trial: gan.networks, HORIZON, adaptations)

    return make


def test_the_actions_of_a_controller_lead_where_it_goes_by_itself(make_trials: Any, gan: Gan) -> None:
    """Its network outside, on what the environment shows: the parameters are those of the inner loop."""
    rule = gan.rules["generator"].own(gan.parameters)
    rule["readout_bias"] = torch.tensor([0.5, -0.3, 2.0, -2.0])
    trials = make_trials(adaptations=1)
    looked = trials.reset()
    memory = {"hidden": torch.zeros(COUNT, HIDDEN), "cell": torch.zeros(COUNT, HIDDEN)}
    for _ in range(HORIZON):
        memory["hidden"], memory["cell"] = lstm_cell(rule, 0, looked, memory["hidden"], memory["cell"])
        looked, _ = trials.step(memory["hidden"] @ rule["readout"].T + rule["readout_bias"])
    for index in range(COUNT):
        task = {name: value[index] for name, value in trials.tasks.items()}
        everything = {**gan.networks, **gan.rules["generator"].named(rule)}
        *_, end = adapt(gan.learner(), gan.rules, everything, task, HORIZON, by_autograd, False)
        for name, value in end.parameters.items():
            # Many tasks at once round otherwise; tensors have moved by a tenth and more.
            torch.testing.assert_close(trials._parameters[name][index], value, rtol=0, atol=1e-3, msg=name)


def test_the_rewards_of_an_adaptation_are_the_fall_of_the_distance(make_trials: Any) -> None:
    trials = make_trials()
    trials.reset()
    first = trials._was.clone()
    rewards = torch.stack([trials.step(torch.zeros(COUNT, ACTIONS))[1] for _ in range(HORIZON - 1)])
    torch.testing.assert_close(rewards.sum(0), first - trials._was)
    assert rewards.abs().sum() > 0


def test_a_trial_begins_its_task_anew_after_each_adaptation(make_trials: Any) -> None:
    trials = make_trials()
    trials.reset()
    start, tasks = {name: value.clone() for name, value in trials._parameters.items()}, trials.tasks
    moved = []
    for _ in range(HORIZON):
        trials.step(torch.ones(COUNT, ACTIONS))
        moved.append(any(not torch.equal(trials._parameters[name], value) for name, value in start.items()))
    assert moved == [True] * (HORIZON - 1) + [False]
    assert trials.tasks is tasks
    trials.reset()
    assert not torch.equal(trials.tasks["support"], tasks["support"])


def test_the_checker_of_gymnasium_passes_it(make_trials: Any) -> None:
    from gymnasium.utils.env_checker import check_env

    from metagan.training.adaptation_environment import AdaptationEnvironment

    environment = AdaptationEnvironment(make_trials(count=1))
    check_env(environment, skip_render_check=True)
    environment.reset(seed=5)
    ended = [environment.step(np.zeros(ACTIONS, np.float32))[2] for _ in range(2 * HORIZON)]
    assert ended == [False] * (2 * HORIZON - 1) + [True]


def test_weights_go_to_the_policy_of_the_library_and_back(make_trials: Any, gan: Gan) -> None:
    """Both set the same on the same sight."""
    from sb3_contrib import RecurrentPPO

    from metagan.training.adaptation_environment import SideBySide, put_weights, weights_of

    kwargs = {"lstm_hidden_size": HIDDEN, "net_arch": {"pi": [], "vf": []}, "ortho_init": False}
    environment = SideBySide(make_trials(), COUNT)
    model = RecurrentPPO("MlpLstmPolicy", environment, n_steps=2, batch_size=4, policy_kwargs=kwargs, device="cpu")
    weights = gan.rules["generator"].own(gan.parameters)
    put_weights(model.policy, weights)
    assert all(torch.equal(value, weights[name]) for name, value in weights_of(model.policy).items())
    looked = environment.reset()
    assert looked.shape == (COUNT, INPUTS)
    found, _ = model.predict(looked, deterministic=True)
    still = torch.zeros(COUNT, HIDDEN)
    hidden, _ = lstm_cell(weights, 0, torch.from_numpy(looked), still, still)
    expected = hidden @ weights["readout"].T + weights["readout_bias"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("missing", ["gymnasium", "sb3_contrib"])
def test_without_the_libraries_the_extra_is_named(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import metagan.training.adaptation_environment"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"UserError: {missing} is not installed: pip install 'metagan[rl]'" in found.stderr
