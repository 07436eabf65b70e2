"""From parameters and saved weights to learners and back."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import torch

from metagan.meta.update_rules import Signals
from metagan.parameters import InnerLoop, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.gan import architecture_of, build_learner, initial_networks, initial_rules, load_gan, payload

ARCHITECTURE = {
    "channels": 1,
    "image_size": 16,
    "generator_width": 8,
    "discriminator_width": 8,
    "noise_size": 4,
    "context_size": 2,
    "largest_shift": 1,
}


def adapted(pattern: str, architecture: dict[str, int] = ARCHITECTURE) -> set[str]:
    _, rates = initial_rules(InnerLoop(adapt_parameters=pattern), initial_networks(architecture, 0))
    return {name.removeprefix("rule.") for name in rates} - {"schedule"}


def test_all_adapts_every_tensor() -> None:
    assert adapted("all") == initial_networks(ARCHITECTURE, 0).keys()


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
        ("context", {**ARCHITECTURE, "context_size": 0}, "generator"),
        ("typo", ARCHITECTURE, "generator"),
    ],
)
def test_a_player_with_nothing_to_adapt_is_an_error(pattern: str, architecture: dict[str, int], player: str) -> None:
    with pytest.raises(ValueError, match="no parameter") as error:
        adapted(pattern, architecture)
    told = str(error.value)
    assert told.startswith(f"meta_train.inner.adapt_parameters: {pattern!r} matches no parameter of the {player}")
    assert f"{player}.{'maps.0' if player == 'generator' else 'head_deep.bias'}" in told
    assert "\n" not in told


@pytest.mark.parametrize("update_rule", ["sgd", "lslr"])
def test_each_player_has_its_own_first_rate(update_rule: str) -> None:
    inner = InnerLoop(generator_learning_rate=0.2, discriminator_learning_rate=0.05, update_rule=update_rule)
    networks = initial_networks(ARCHITECTURE, 0)
    rules, rates = initial_rules(inner, networks)
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


def saved() -> dict[str, object]:
    inner = InnerLoop(gan_loss="relativistic", r1=0.3)
    return payload("meta_model", ARCHITECTURE, inner, initial_networks(ARCHITECTURE, 0), seed=5)


def test_weights_survive_a_file_that_holds_no_code() -> None:
    file = io.BytesIO()
    torch.save(saved(), file)
    file.seek(0)
    learner, parameters = load_gan(torch.load(file, weights_only=True), "meta_model", ARCHITECTURE)
    assert (learner.gan_loss, learner.r1) == ("relativistic", 0.3)
    expected = initial_networks(ARCHITECTURE, 0)
    assert parameters.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in parameters.items())
    assert learner.generate(parameters, torch.randn(2, 4)).shape == (2, 1, 16, 16)


def test_saved_weights_no_longer_follow_the_trained_ones() -> None:
    networks = initial_networks(ARCHITECTURE, 0)
    kept = payload("meta_model", ARCHITECTURE, InnerLoop(), networks)["state"]
    before = kept["generator.coarse.bias"].clone()
    networks["generator.coarse.bias"] += 1
    assert torch.equal(kept["generator.coarse.bias"], before)


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="weights of kind 'joint_gan' are needed, not 'meta_model'"):
        load_gan(saved(), "joint_gan")


@pytest.mark.parametrize("name", ["generator_width", "discriminator_width", "noise_size", "image_size"])
def test_an_absurd_size_is_refused(name: str) -> None:
    payload = saved()
    payload["architecture"] = {**ARCHITECTURE, name: 1 << 20}
    with pytest.raises(ValueError, match=rf"^meta_model\.architecture\.{name}: 1048576 is not valid: "):
        load_gan(payload, "meta_model")


def test_another_architecture_is_refused_with_what_differs() -> None:
    with pytest.raises(ValueError, match="another architecture") as error:
        load_gan(saved(), "meta_model", {**ARCHITECTURE, "image_size": 28, "generator_width": 16})
    told = str(error.value)
    assert "(generator_width is 8, not 16, image_size is 16, not 28)" in told
    assert "meta_model" in told
    assert "noise_size" not in told
