"""Adaptation trials as environments of gymnasium and of stable-baselines3, and the controller trained in them (RL²)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.controller import HIDDEN
from metagan.parameters.compare_rules import PpoSettings
from metagan.training.adaptation_trials import ACTIONS, INPUTS, LARGEST_ACTION, AdaptationTrials

try:
    import gymnasium
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise UserError(f"{error.name} is not installed: pip install 'metagan[rl]'") from None

Observations = NDArray[np.float32]
OBSERVATIONS = gymnasium.spaces.Box(-np.inf, np.inf, (INPUTS,), np.float32)
SETTINGS = gymnasium.spaces.Box(-LARGEST_ACTION, LARGEST_ACTION, (ACTIONS,), np.float32)


class AdaptationEnvironment(gymnasium.Env[Observations, Observations]):
    """Trials of one task at a time; a trial is an episode."""

    observation_space, action_space = OBSERVATIONS, SETTINGS

    def __init__(self, trials: AdaptationTrials) -> None:
        self.trials = trials

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """With a seed, its trial; else the next."""
        super().reset(seed=seed)
        if seed is not None:
            self.trials.trial = seed - 1
        return self.trials.reset()[0].numpy(), {}

    def step(self, action: Observations) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        looked, reward = self.trials.step(torch.as_tensor(action)[None])
        return looked[0].numpy(), reward.item(), self.trials.step_number == self.trials.steps, False, {}


class SideBySide(VecEnv):
    """The tasks of the trials as environments that end together."""

    def __init__(self, trials: AdaptationTrials, count: int) -> None:
        super().__init__(count, OBSERVATIONS, SETTINGS)
        self.trials = trials

    def reset(self) -> Observations:
        return self.trials.reset().numpy()

    def step_async(self, actions: NDArray[np.float32]) -> None:
        self._actions = torch.from_numpy(actions)

    def step_wait(self) -> tuple[Observations, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        looked, reward = self.trials.step(self._actions)
        done = self.trials.step_number == self.trials.steps
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done:
            infos = [{"terminal_observation": last, "TimeLimit.truncated": False} for last in looked.numpy()]
            looked = self.trials.reset()
        return looked.numpy(), reward.numpy(), np.full(self.num_envs, done), infos

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self, attr_name, None)] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


class _Look(BaseCallback):
    """Calls `look` with the controller's weights after every so many updates."""

    def __init__(self, look: Callable[[Parameters], None], every: int) -> None:
        super().__init__()
        self.look, self.every, self.updates = look, every, 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.updates % self.every == 0:
            self.look(weights_of(self.model.policy))
        self.updates += 1


def weights_of(policy: torch.nn.Module) -> Parameters:
    """The weights of the controller from those of a recurrent policy of sb3-contrib."""
    state = {name: value.detach().clone() for name, value in policy.state_dict().items()}
    return {
        "input.0": state["lstm_actor.weight_ih_l0"],
        "recurrent.0": state["lstm_actor.weight_hh_l0"],
        "bias.0": state["lstm_actor.bias_ih_l0"] + state["lstm_actor.bias_hh_l0"],
        "readout": state["action_net.weight"],
        "readout_bias": state["action_net.bias"],
    }


def put_weights(policy: torch.nn.Module, weights: Parameters) -> None:
    """The other way round."""
    with torch.no_grad():
        policy.lstm_actor.weight_ih_l0.copy_(weights["input.0"])
        policy.lstm_actor.weight_hh_l0.copy_(weights["recurrent.0"])
        policy.lstm_actor.bias_ih_l0.copy_(weights["bias.0"])
        policy.lstm_actor.bias_hh_l0.zero_()
        policy.action_net.weight.copy_(weights["readout"])
        policy.action_net.bias.copy_(weights["readout_bias"])


def train_by_ppo(
    trials: AdaptationTrials,
    count: int,
    first: Parameters,
    settings: PpoSettings,
    seed: int,
    look: Callable[[Parameters], None],
) -> None:
    """Train the controller from the weights `first` by the recurrent PPO of sb3-contrib; `look` sees it learn."""
    per_update = count * trials.steps
    model = RecurrentPPO(
        "MlpLstmPolicy",
        SideBySide(trials, count),
        learning_rate=settings.learning_rate,
        n_steps=trials.steps,
        batch_size=per_update,
        n_epochs=settings.epochs,
        gamma=settings.discount,
        gae_lambda=settings.trace_decay,
        clip_range=settings.clip,
        ent_coef=settings.entropy,
        policy_kwargs={
            "lstm_hidden_size": HIDDEN,
            "net_arch": {"pi": [], "vf": []},
            "ortho_init": False,
            "log_std_init": settings.log_deviation,
        },
        seed=seed,
        device="cpu",
    )
    put_weights(model.policy, first)
    model.learn(settings.updates * per_update, callback=_Look(look, settings.look_every))
    look(weights_of(model.policy))
