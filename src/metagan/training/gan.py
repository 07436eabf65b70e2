"""From parameters and saved weights to learners and meta-parameters, and back."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.meta.learners import GanLearner
from metagan.meta.update_rules import UPDATE_RULES, Rules, initialised, shared_rule
from metagan.nets.discriminator import Discriminator
from metagan.nets.generator import Generator
from metagan.parameters import GanArchitecture, InnerLoop, MetaTrain, valid_section
from metagan.tasks.bank import TaskBank

Payload = dict[str, Any]
PLAYERS = ("generator", "discriminator")


def architecture_of(bank: TaskBank, settings: MetaTrain) -> dict[str, int]:
    """Plain numbers that say which networks to build."""
    return {"channels": bank.channels, "image_size": bank.image_size, **settings.networks.model_dump()}


def generator_architecture(architecture: dict[str, int]) -> dict[str, int]:
    """What `Generator` is made with."""
    shared = ("channels", "image_size", "noise_size", "context_size", "largest_shift")
    return {name: architecture[name] for name in shared} | {"width": architecture["generator_width"]}


def build_learner(
    architecture: dict[str, int], inner: InnerLoop, settings: MetaTrain | None = None, embed: nn.Module | None = None
) -> GanLearner:
    """A learner with networks of the architecture; without `settings` it has no outer objective."""
    shape = {name: architecture[name] for name in ("channels", "image_size")}
    objective = settings.outer_objective if settings else None
    return GanLearner(
        generator=Generator(**generator_architecture(architecture)),
        discriminator=Discriminator(**shape, width=architecture["discriminator_width"]),
        gan_loss=inner.gan_loss,
        r1=inner.r1,
        r2=inner.r2,
        distances={"energy": objective.energy, "mmd": objective.mmd} if objective else {},
        adversarial=objective.adversarial if objective else 0.0,
        pixel_weight=objective.pixel_weight if objective else 0.0,
        feature_weight=objective.feature_weight if objective else 0.0,
        embed=embed,
    )


def initial_networks(architecture: dict[str, int], seed: int) -> Parameters:
    """Random initial parameters of both networks, `generator.*` and `discriminator.*`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = build_learner(architecture, InnerLoop())
    networks = {"generator": learner.generator, "discriminator": learner.discriminator}
    return {
        f"{player}.{name}": value.detach()
        for player, network in networks.items()
        for name, value in network.named_parameters()
    }


def adapted_tensors(inner: InnerLoop, networks: Parameters) -> list[str]:
    """The tensors that `adapt_parameters` chooses. Raises UserError when a player would have none."""
    pattern = {"all": "", "context": r"^generator\.context$|^discriminator\."}.get(
        inner.adapt_parameters, inner.adapt_parameters
    )
    of_player = {player: [name for name in networks if name.startswith(f"{player}.")] for player in PLAYERS}
    for player, names in of_player.items():
        if not any(re.search(pattern, name) for name in names):
            raise UserError(
                f"meta_train.inner.adapt_parameters: {inner.adapt_parameters!r} matches no parameter of the {player}; "
                f"it has {', '.join(names)}"
            )
    return [name for name in networks if re.search(pattern, name)]


def initial_rules(
    inner: InnerLoop, networks: Parameters, update_rule: str | None = None, seed: int = 0
) -> tuple[Rules, Parameters]:
    """The update rules and their first meta-parameters; `update_rule` takes the place of that of `inner`.

    A pixel of a finer map of the generator is seen in fewer pixels of the image, and its rate is higher by as much.
    """
    rates = {"generator": inner.generator_learning_rate, "discriminator": inner.discriminator_learning_rate}
    coarsest = networks["generator.maps.0"][0].numel()
    finer = {name: value[0].numel() / coarsest for name, value in networks.items() if name.startswith("generator.maps")}
    rules = rules_of(inner, networks, update_rule)
    first = {name: rates[name.split(".")[0]] * finer.get(name, 1.0) for name in networks}
    return rules, initialised(rules, networks, first, inner.steps, seed)


def rules_of(inner: InnerLoop, networks: Parameters, update_rule: str | None = None) -> Rules:
    """The update rules, bound to the tensors that adapt."""
    return shared_rule(UPDATE_RULES[update_rule or inner.update_rule], adapted_tensors(inner, networks))


def saved_rules(saved: Payload) -> Rules:
    """The update rules of a saved meta-model."""
    networks = {name: value for name, value in saved["state"].items() if name.startswith(PLAYERS)}
    return rules_of(InnerLoop.model_validate(saved["inner"]), networks)


def payload(
    kind: str, architecture: dict[str, int], inner: InnerLoop, parameters: Parameters, **facts: object
) -> Payload:
    """What is saved: enough to rebuild the learner and adapt further, loadable with `weights_only=True`."""
    state = {name: value.detach().cpu().clone() for name, value in parameters.items()}
    return {"kind": kind, "architecture": architecture, "inner": inner.model_dump(), "state": state, **facts}


def load_gan(saved: Payload, kind: str, architecture: dict[str, int] | None = None) -> tuple[GanLearner, Parameters]:
    """Learner without outer objective and parameters of a saved GAN.

    Raises UserError when the weights are of another kind, of an impossible architecture or, where `architecture` is
    given, of another one.
    """
    if saved.get("kind") != kind:
        raise UserError(f"weights of kind {kind!r} are needed, not {saved.get('kind')!r}")
    valid_section(f"{kind}.architecture", GanArchitecture, saved["architecture"])
    if architecture is not None and saved["architecture"] != architecture:
        wrong = sorted(name for name in architecture if saved["architecture"].get(name) != architecture[name])
        told = ", ".join(f"{name} is {saved['architecture'].get(name)}, not {architecture[name]}" for name in wrong)
        raise UserError(
            f"the {kind} was trained with another architecture ({told}): train it again or change meta_train.networks"
        )
    return build_learner(saved["architecture"], InnerLoop.model_validate(saved["inner"])), dict(saved["state"])
