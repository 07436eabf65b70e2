"""What a GAN of this project is: built, saved and loaded here, and handed to whoever trains it or samples from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from torch import nn

from metagan.domains import Domain, domain_of
from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.meta.learners import GanLearner
from metagan.meta.update_rules import (
    UPDATE_RULES,
    Rules,
    UpdateRule,
    initialised,
    resting,
    separate_rules,
    shared_rule,
    without_rules,
)
from metagan.nets.randomness import seeded
from metagan.parameters import GanArchitecture, InnerLoop, MetaTrain, OuterObjective
from metagan.tasks.bank import TaskBank
from metagan.training.saved import (
    AS_TRAINED,
    GanHeader,
    GanKind,
    Provenance,
    SavedModel,
    Shots,
    Temperature,
    detached,
    weights_hash,
)

PLAYERS = ("generator", "discriminator")
GENERATOR = "generator."


@dataclass(frozen=True)
class Gan:
    """The networks, the rules by which they adapt, and how loud they draw.

    `parameters` are those of the networks, `generator.*`, `discriminator.*` and, if there is one, `encoder.*`, and the
    meta-parameters of the rules, `rule.*`; the joint GAN has none of the latter. `k_shots`: see `GanHeader`.
    """

    architecture: GanArchitecture
    inner: InnerLoop
    parameters: Parameters
    temperature: Temperature = AS_TRAINED
    k_shots: Shots | None = None

    @property
    def domain(self) -> Domain:
        """What it makes examples of."""
        return domain_of(self.architecture)

    @property
    def networks(self) -> Parameters:
        """The parameters of the networks alone."""
        return without_rules(self.parameters)

    @property
    def content_hash(self) -> str:
        """The sha256 over names and values of the parameters."""
        return weights_hash(self.parameters)

    @property
    def rules(self) -> Rules:
        """The update rules, bound to the tensors that adapt."""
        return rules_of(self.inner, self.networks)

    def shots_of(self, images: int) -> int:
        """How many of so many images it adapts to: all, or as many as it was trained with at most."""
        return min(images, self.k_shots.most) if self.k_shots else images

    def with_first_rules(self, seed: int = 0, **changes: object) -> Gan:
        """The same networks, with the rules of `inner` as they are before any training, after changes to `inner`."""
        inner = self.inner.model_copy(update=changes)
        _, rule_parameters = initial_rules(self.domain, inner, self.networks, seed)
        return replace(self, inner=inner, parameters={**self.networks, **rule_parameters})

    def learner(self, settings: MetaTrain | None = None, embed: nn.Module | None = None) -> GanLearner:
        """Networks to run the parameters in; without `settings` there is no outer objective."""
        return build_learner(self.architecture, self.inner, settings, embed)

    def save(self, kind: GanKind, provenance: Provenance) -> SavedModel[GanHeader]:
        """What `load_gan` reads."""
        header = GanHeader(
            kind=kind,
            architecture=self.architecture,
            inner=self.inner,
            temperature=self.temperature,
            k_shots=self.k_shots,
            provenance=provenance,
        )
        return SavedModel(header, detached(self.parameters))


def load_gan(saved: SavedModel[GanHeader], kind: str, architecture: GanArchitecture | None = None) -> Gan:
    """The GAN that was saved.

    Raises UserError when the weights are of another kind or, where `architecture` is given, of another one.
    """
    saved.check_kind(kind)
    header = saved.header
    if architecture is not None:
        check_architecture(kind, header.architecture, **architecture.model_dump())
    return Gan(header.architecture, header.inner, dict(saved.state), header.temperature, header.k_shots)


def check_architecture(kind: str, trained: GanArchitecture, **wanted: object) -> None:
    """Raises UserError with what differs when a GAN was trained with another architecture than is wanted."""
    found = trained.model_dump()
    wrong = ", ".join(f"{name} is {found[name]}, not {wanted[name]}" for name in wanted if found[name] != wanted[name])
    if wrong:
        raise UserError(
            f"the {kind} was trained with another architecture ({wrong}): train it again or change meta_train.networks"
        )


def initial_gan(architecture: GanArchitecture, inner: InnerLoop, seed: int) -> Gan:
    """A GAN before any training. Raises UserError when a player would have nothing to adapt."""
    return Gan(architecture, inner, initial_networks(architecture, seed)).with_first_rules(seed)


def architecture_of(bank: TaskBank, settings: MetaTrain) -> GanArchitecture:
    """Which networks to build."""
    return GanArchitecture(domain=bank.example.domain, shape=bank.example.shape, **settings.networks.model_dump())


def build_learner(
    architecture: GanArchitecture,
    inner: InnerLoop,
    settings: MetaTrain | None = None,
    embed: nn.Module | None = None,
    seed: int = 0,
) -> GanLearner:
    """A learner with random networks of the architecture; without `settings` it has no outer objective."""
    objective = settings.outer_objective if settings else None
    domain = domain_of(architecture)
    networks = domain.gan
    if architecture.encoder and networks.encoder is None:
        raise UserError(f"meta_train.networks.encoder: must be false, the domain {architecture.domain} has none")
    if objective and objective.likelihood and not networks.likelihood:
        raise UserError(f"meta_train.outer_objective.likelihood: must be 0, the domain {architecture.domain} has none")
    with seeded(seed):
        generator = networks.generator(architecture)
        discriminator = networks.discriminator(architecture)
        encoder = networks.encoder(architecture) if architecture.encoder and networks.encoder else None
    return GanLearner(
        generator=generator,
        discriminator=discriminator,
        gan_loss=inner.gan_loss,
        r1=inner.r1,
        r2=inner.r2,
        distances={"energy": objective.energy, "mmd": objective.mmd} if objective else {},
        adversarial=objective.adversarial if objective else 0.0,
        pixel_weight=objective.pixel_weight if objective else 0.0,
        feature_weight=objective.feature_weight if objective else 0.0,
        embed=embed,
        encoder=encoder,
        start_weight=settings.start_weight if settings else 0.0,
        critic=build_critic(architecture, objective) if objective and objective.critic else None,
        critic_weight=objective.critic if objective else 0.0,
        paired_exemplars=architecture.exemplars if objective and objective.critic_pairs else 0,
        likelihood=objective.likelihood if objective else 0.0,
        views=domain.views,
        encoded=networks.encoded,
    )


def initial_networks(architecture: GanArchitecture, seed: int) -> Parameters:
    """Random initial parameters of all networks: `generator.*`, `discriminator.*` and, if there is one, `encoder.*`."""
    learner = build_learner(architecture, InnerLoop(), seed=seed)
    networks = {"generator": learner.generator, "discriminator": learner.discriminator, "encoder": learner.encoder}
    return _named(networks)


def build_critic(architecture: GanArchitecture, objective: OuterObjective, seed: int = 0) -> nn.Module:
    """A critic with random weights. Raises UserError where the domain has none."""
    critic = domain_of(architecture).gan.critic
    if critic is None:
        raise UserError(f"meta_train.outer_objective.critic: must be 0, the domain {architecture.domain} has none")
    with seeded(seed):
        return critic(architecture, objective.critic_width, objective.critic_pairs)


def initial_critic(architecture: GanArchitecture, objective: OuterObjective, seed: int) -> Parameters:
    """Random initial parameters `critic.*`; none without a critic."""
    return _named({"critic": build_critic(architecture, objective, seed)}) if objective.critic else {}


def _named(networks: dict[str, nn.Module | None]) -> Parameters:
    return {
        f"{name}.{parameter}": value.detach()
        for name, network in networks.items()
        if network is not None
        for parameter, value in network.named_parameters()
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
    return [name for name in networks if name.split(".")[0] in PLAYERS and re.search(pattern, name)]


def initial_rules(domain: Domain, inner: InnerLoop, networks: Parameters, seed: int = 0) -> tuple[Rules, Parameters]:
    """The update rules and their first meta-parameters, by the rates of `inner` and the domain's factors of them."""
    rates = {"generator": inner.generator_learning_rate, "discriminator": inner.discriminator_learning_rate}
    generator = {name.removeprefix(GENERATOR): value for name, value in networks.items() if name.startswith(GENERATOR)}
    factors = {GENERATOR + name: factor for name, factor in domain.gan.rates(generator).items()}
    rules = rules_of(inner, networks)
    adapted = adapted_tensors(inner, networks)
    first = {name: rates[name.split(".")[0]] * factors.get(name, 1.0) for name in adapted}
    return rules, initialised(rules, networks, first, inner.steps, seed)


def rules_of(inner: InnerLoop, networks: Parameters) -> Rules:
    """The update rules, bound to the tensors that adapt: one that both players share, or one for each."""
    names, tensors = inner.update_rule, adapted_tensors(inner, networks)

    def named(name: str) -> UpdateRule:
        return resting(UPDATE_RULES[name], inner.rest_after) if inner.rest_after else UPDATE_RULES[name]

    if isinstance(names, str):
        return shared_rule(named(names), tensors)
    return separate_rules({player: named(name) for player, name in names}, tensors)
