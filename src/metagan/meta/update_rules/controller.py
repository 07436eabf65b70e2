"""A recurrent network that sets the rates of all players, and how often one of them steps, from how the play goes.

At the start of each inner step it sees, of the step before, every player's loss and gradient norm, what the learner
lets a rule observe (of a GAN: the discriminator's accuracy on real and on fake, and how far samples are from the
support set), by how much that distance fell (the reward), its own last action, and the number of the step. It sets the
logarithm of each player's rate, and whether a player that may step several times does so a second and a third time.
Directions are Adam's. The network knows no tensor, so that it fits networks of any size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from metagan.meta.differentiation import Parameters
from metagan.meta.update_rules.base import OBSERVED, Signals, State, UpdateRule
from metagan.meta.update_rules.features import SPANS, inverse_root, steps_done
from metagan.meta.update_rules.lstm import lstm_cell, uniform

HIDDEN = 16
MOST_STEPS = (("discriminator", 3),)
GATES = 2
RANGE = math.log(100)
"""The logarithm of the largest factor of a rate, and of 1 over the smallest."""
STEP_AGAIN = -1.0
"""The logit of a second and a third step where the network's output is 0."""
MEAN_DECAY, SQUARE_DECAY = 0.9, 0.99


def players_of(names: Iterable[str]) -> list[str]:
    """Whose tensors these are."""
    return list(dict.fromkeys(name.split(".")[0] for name in names))


def players_in(state: State) -> list[str]:
    """Those whose losses the state holds, in their order."""
    return [name.removeprefix("loss.") for name in state if name.startswith("loss.")]


def sizes(players: int) -> tuple[int, int]:
    """How many numbers the network sees, and how many it sets."""
    actions = players + GATES
    return 2 * players + OBSERVED + 1 + actions + len(SPANS), actions


def _initialise(values: Parameters, rates: dict[str, float], steps: int, seed: int) -> Parameters:
    """Uniform weights as torch's LSTM has them, a tenth of that for what it sets: all rates start as they are given."""
    generator = torch.Generator().manual_seed(seed)
    some = next(iter(values.values()))
    inputs, actions = sizes(len(players_of(values)))
    return {
        **{f"log_rate.{name}": value.new_tensor(math.log(rates[name])) for name, value in values.items()},
        "input.0": uniform(generator, HIDDEN, 4 * HIDDEN, inputs).to(some),
        "recurrent.0": uniform(generator, HIDDEN, 4 * HIDDEN, HIDDEN).to(some),
        "bias.0": uniform(generator, HIDDEN, 4 * HIDDEN).to(some),
        "readout": 0.1 * uniform(generator, HIDDEN, actions, HIDDEN).to(some),
        "readout_bias": some.new_zeros(actions),
    }


def _begin(meta_parameters: Parameters, values: Parameters) -> State:
    some, players = next(iter(values.values())), players_of(values)
    state = {f"{part}.{name}": torch.zeros_like(value) for part in ("mean", "square") for name, value in values.items()}
    state |= {f"{part}.{player}": some.new_zeros(()) for part in ("loss", "norm", "count") for player in players}
    return state | {
        "hidden": some.new_zeros(1, HIDDEN),
        "cell": some.new_zeros(1, HIDDEN),
        "observed": some.new_zeros(OBSERVED),
        "action": some.new_zeros(sizes(len(players))[1]),
    }


def seen(state: State, step: int, observed: Tensor) -> Tensor:
    """(inputs,) what the network sees at the start of an inner step, after what it may observe of the play."""
    players = players_in(state)
    parts = [_squashed(state[f"loss.{player}"]) for player in players]
    parts += [(state[f"norm.{player}"] + 1e-6).log() / 10 for player in players]
    fall = state["observed"][-1] - observed[-1] if step else 0 * observed[-1]
    rest = [observed, 10 * fall[None], state["action"].tanh(), steps_done(step, observed)]
    return torch.cat([torch.stack(parts), *rest])


def _squashed(value: Tensor) -> Tensor:
    return value.sign() * value.abs().log1p()


def act(meta_parameters: Parameters, state: State, signals: Signals) -> State:
    """What the network remembers and sets after a look."""
    looked = seen(state, signals.step, signals.observed)[None]
    hidden, cell = lstm_cell(meta_parameters, 0, looked, state["hidden"], state["cell"])
    action = (hidden @ meta_parameters["readout"].T)[0] + meta_parameters["readout_bias"]
    return {"hidden": hidden, "cell": cell, "action": action, "observed": signals.observed}


def share_of_step(action: Tensor, turn: int) -> Tensor:
    """1 where a player steps for the time `turn` in this inner step, else 0; with the slope of the probability."""
    share = torch.ones_like(action[0])
    for gate in action[len(action) - GATES :][:turn]:
        probability = (gate + STEP_AGAIN).sigmoid()
        share = share * ((probability > 0.5).to(probability) + (probability - probability.detach()))
    return share


def rate_factor(action: Tensor, player: int) -> Tensor:
    """By what a player's rates are multiplied, from 1 / 100 to 100."""
    return (RANGE * (action[player] / RANGE).tanh()).exp()


def play(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    """A step of one player by the action in `state`."""
    players = players_in(state)
    action, share = state["action"], share_of_step(state["action"], signals.turn)
    factor = share * rate_factor(action, players.index(signals.player))
    count = state[f"count.{signals.player}"] + share
    moved: Parameters = {}
    remembered: State = {f"count.{signals.player}": count}
    if signals.turn == 0:
        remembered |= {f"loss.{signals.player}": signals.loss, f"norm.{signals.player}": signals.gradient_norm}
    for name, value in values.items():
        gradient, mean, square = gradients[name], state[f"mean.{name}"], state[f"square.{name}"]
        mean = mean + share * (1 - MEAN_DECAY) * (gradient - mean)
        square = square + share * (1 - SQUARE_DECAY) * (gradient**2 - square)
        remembered |= {f"mean.{name}": mean, f"square.{name}": square}
        corrected = square / (1 - SQUARE_DECAY**count)
        scale = inverse_root(corrected)
        step = meta_parameters[f"log_rate.{name}"].exp() * factor * scale * mean / (1 - MEAN_DECAY**count)
        moved[name] = value - step
    return moved, remembered


def _step(
    meta_parameters: Parameters, state: State, values: Parameters, gradients: Parameters, signals: Signals
) -> tuple[Parameters, State]:
    chosen = act(meta_parameters, state, signals) if signals.first else {}
    moved, remembered = play(meta_parameters, {**state, **chosen}, values, gradients, signals)
    return moved, {**chosen, **remembered}


controller = UpdateRule(_initialise, _begin, _step, learned=True, observes=True, most_steps=MOST_STEPS)
