"""From parameters and saved weights to learners and back."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch

from metagan.domains.image import image
from metagan.errors import UserError
from metagan.meta.update_rules import UPDATE_RULES, Signals
from metagan.parameters import GanArchitecture, InnerLoop, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.gan import (
    Gan,
    architecture_of,
    build_learner,
    initial_gan,
    initial_networks,
    initial_rules,
    load_gan,
)
from metagan.training.saved import GanHeader, Provenance, SavedModel, Shots, Temperature, saved_model

ARCHITECTURE = GanArchitecture(
    shape=(1, 16, 16),
    generator_width=8,
    discriminator_width=8,
    noise_size=4,
    context_size=2,
    largest_shift=1,
    redrawing_width=8,
    encoder=True,
)


def adapted(pattern: str, architecture: GanArchitecture = ARCHITECTURE) -> set[str]:
    _, rates = initial_rules(image, InnerLoop(adapt_parameters=pattern), initial_networks(architecture, 0))
    return {name.removeprefix("rule.") for name in rates} - {"schedule"}


def test_all_adapts_every_tensor() -> None:
    assert adapted("all") == initial_networks(ARCHITECTURE.model_copy(update={"encoder": False}), 0).keys()


def test_an_inner_step_leaves_the_encoder_as_it_is() -> None:
    networks = initial_networks(ARCHITECTURE, 0).keys()
    assert {name.split(".")[0] for name in networks - adapted("all")} == {"encoder"}


def test_context_adapts_the_context_and_the_discriminator() -> None:
    networks = initial_networks(ARCHITECTURE, 0)
    assert adapted("context") == {"generator.context", *(name for name in networks if name.startswith("discriminator"))}


def test_a_regular_expression_adapts_what_it_finds() -> None:
    assert adapted(r"maps\.[02]$|head_deep") == {
        "generator.maps.0",
        "generator.maps.2",
        "discriminator.head_deep.weight",
        "discriminator.head_deep.bias",
    }


@pytest.mark.parametrize(
    ("pattern", "architecture", "player"),
    [
        (r"^generator\.", ARCHITECTURE, "discriminator"),
        (r"head_deep", ARCHITECTURE, "generator"),
        ("context", ARCHITECTURE.model_copy(update={"context_size": 0}), "generator"),
        ("typo", ARCHITECTURE, "generator"),
    ],
)
def test_a_player_with_nothing_to_adapt_is_an_error(pattern: str, architecture: GanArchitecture, player: str) -> None:
    with pytest.raises(ValueError, match="no parameter") as error:
        adapted(pattern, architecture)
    told = str(error.value)
    assert told.startswith(f"meta_train.inner.adapt_parameters: {pattern!r} matches no parameter of the {player}")
    assert f"{player}.{'maps.0' if player == 'generator' else 'head_deep.bias'}" in told
    assert "\n" not in told


@pytest.mark.parametrize("update_rule", ["sgd", "lslr", "meta_sgd"])
def test_each_player_has_its_own_first_rate(update_rule: str) -> None:
    inner = InnerLoop(generator_learning_rate=0.2, discriminator_learning_rate=0.05, update_rule=update_rule)
    networks = initial_networks(ARCHITECTURE.model_copy(update={"encoder": False}), 0)
    rules, rates = initial_rules(image, inner, networks)
    gradients = {name: torch.ones_like(value) for name, value in networks.items()}
    bound = rules["generator"]
    assert rules["discriminator"] is bound
    signals = Signals("generator", 0, torch.zeros(()), gradients)
    updated, _ = bound.rule.step(bound.own(rates), {}, networks, gradients, signals)
    for name, value in updated.items():
        expected = 0.2 if name.startswith("generator") else 0.05
        # Half and full size have 4 and 16 times the pixels of a quarter.
        expected *= {"generator.maps.1": 4, "generator.maps.2": 16}.get(name, 1)
        torch.testing.assert_close(networks[name] - value, torch.full_like(value, expected), rtol=1e-4, atol=1e-6)


def test_each_player_may_have_a_rule_of_its_own() -> None:
    inner = InnerLoop.model_validate({"update_rule": {"generator": "adam", "discriminator": "lslr"}})
    networks = initial_networks(ARCHITECTURE, 0)
    rules, rates = initial_rules(image, inner, networks)
    assert {player: bound.rule for player, bound in rules.items()} == {
        player: UPDATE_RULES[name] for player, name in (("generator", "adam"), ("discriminator", "lslr"))
    }
    for player, bound in rules.items():
        assert bound.tensors == tuple(name for name in networks if name.startswith(player))
        assert bound.own(rates).keys() > set(bound.tensors)
    assert "rule.discriminator.schedule" in rates and "rule.generator.epsilon" in rates
    assert len(rates) == sum(len(bound.own(rates)) for bound in rules.values())


def test_a_saved_model_has_the_rules_of_its_training() -> None:
    inner = InnerLoop.model_validate({"update_rule": {"generator": "momentum"}, "adapt_parameters": "maps|head"})
    gan, file = initial_gan(ARCHITECTURE, inner, 0), io.BytesIO()
    torch.save(gan.save("meta_model", Provenance()).as_content(), file)
    file.seek(0)
    again = load_gan(saved_model(torch.load(file, weights_only=True)), "meta_model")
    assert again.rules == gan.rules
    assert {player: bound.rule for player, bound in again.rules.items()} == {
        "generator": UPDATE_RULES["momentum"],
        "discriminator": UPDATE_RULES["lslr"],
    }
    assert again.parameters["rule.generator.momentum"] == torch.tensor(0.9)


def test_initial_networks_come_from_their_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first = initial_networks(ARCHITECTURE, 0)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    again, other = initial_networks(ARCHITECTURE, 0), initial_networks(ARCHITECTURE, 1)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not torch.equal(first["generator.coarse.weight"], other["generator.coarse.weight"])
    assert not any(value.requires_grad for value in first.values())


def test_settings_reach_the_learner(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> None:
    objective = {"energy": 0.1, "mmd": 0.2, "adversarial": 0.3, "pixel_weight": 0.4, "feature_weight": 0.5}
    settings = make_settings(inner={"gan_loss": "hinge", "r1": 0.6, "r2": 0.7}, outer_objective=objective)
    learner = build_learner(architecture_of(bank, settings), settings.inner, settings)
    assert (learner.gan_loss, learner.r1, learner.r2) == ("hinge", 0.6, 0.7)
    assert learner.distances == {"energy": 0.1, "mmd": 0.2}
    assert (learner.adversarial, learner.pixel_weight, learner.feature_weight) == (0.3, 0.4, 0.5)


def saved() -> SavedModel[GanHeader]:
    inner = InnerLoop(gan_loss="relativistic", r1=0.3)
    gan = Gan(ARCHITECTURE, inner, initial_networks(ARCHITECTURE, 0), Temperature(0.5, 2.0), Shots(1, 5))
    return gan.save("meta_model", Provenance(seed=5))


def test_a_gan_survives_a_file_that_holds_no_code() -> None:
    file = io.BytesIO()
    torch.save(saved().as_content(), file)
    file.seek(0)
    gan = load_gan(saved_model(torch.load(file, weights_only=True)), "meta_model", ARCHITECTURE)
    learner = gan.learner()
    assert (learner.gan_loss, learner.r1, gan.temperature) == ("relativistic", 0.3, Temperature(0.5, 2.0))
    assert gan.k_shots == Shots(1, 5)
    expected = initial_networks(ARCHITECTURE, 0)
    assert gan.parameters.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in gan.parameters.items())
    assert learner.generate(gan.parameters, torch.randn(2, 4)).shape == (2, 1, 16, 16)


def test_a_model_knows_how_many_support_images_it_was_trained_with(caplog: pytest.LogCaptureFixture) -> None:
    header = saved().header
    header.check_shots("evaluate.use.k_shots", 1)
    header.check_shots("evaluate.use.k_shots", 5)
    header.tell_of_many("adapt.images", 5)
    assert not caplog.records
    header.tell_of_many("adapt.images", 6)
    (record,) = caplog.records
    assert record.getMessage().startswith("adapt.images: 6 pictures are more than the 5 at most")
    with pytest.raises(UserError, match=r"evaluate\.use\.k_shots: 6, but the meta-model was trained with 1 to 5 "):
        header.check_shots("evaluate.use.k_shots", 6)


def test_saved_weights_no_longer_follow_the_trained_ones() -> None:
    gan = Gan(ARCHITECTURE, InnerLoop(), initial_networks(ARCHITECTURE, 0))
    kept = gan.save("meta_model", Provenance()).state
    before = kept["generator.coarse.bias"].clone()
    gan.parameters["generator.coarse.bias"] += 1
    assert torch.equal(kept["generator.coarse.bias"], before)


def test_a_new_rule_leaves_the_networks_and_forgets_the_old_rule() -> None:
    learned = initial_gan(ARCHITECTURE, InnerLoop(update_rule="lslr", adapt_parameters="all"), 0)
    gan = learned.with_first_rules(update_rule="sgd", adapt_parameters="maps|head", generator_learning_rate=0.7)
    assert all(torch.equal(value, learned.networks[name]) for name, value in gan.networks.items())
    assert {bound.rule for bound in gan.rules.values()} == {UPDATE_RULES["sgd"]}
    assert set(gan.rules["generator"].tensors) == adapted("maps|head")
    rates = {name: value for name, value in gan.parameters.items() if name.startswith("rule.")}
    assert rates.keys() == {f"rule.{name}" for name in adapted("maps|head")}
    assert rates["rule.generator.maps.0"].item() == pytest.approx(0.7)


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(UserError, match="weights of kind 'joint_gan' are needed, not 'meta_model'"):
        load_gan(saved(), "joint_gan")


def test_another_architecture_is_refused_with_what_differs() -> None:
    wanted = ARCHITECTURE.model_copy(update={"shape": (1, 28, 28), "generator_width": 16})
    with pytest.raises(UserError, match="another architecture") as error:
        load_gan(saved(), "meta_model", wanted)
    told = str(error.value)
    assert "generator_width is 8, not 16" in told and "shape is (1, 16, 16), not (1, 28, 28)" in told
    assert "meta_model" in told
    assert "noise_size" not in told
