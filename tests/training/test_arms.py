from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from metagan.evaluation.use import Sampler
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import Evaluate, MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training import arms
from metagan.training.arms import build_samplers, make_sampler
from metagan.training.embedder import load_embedder
from metagan.training.gan import architecture_of, initial_gan, initial_networks, load_gan
from metagan.training.saved import GanHeader, Provenance, SavedModel, Temperature

MakeSettings = Callable[..., MetaTrain]
Models = tuple[SavedModel[GanHeader], SavedModel[GanHeader]]
Build = Callable[..., tuple[dict[str, Sampler], dict[str, float]]]
RATES = (0.03, 0.3, 1.0)
TEMPERATURE, BASELINE_TEMPERATURE = Temperature(0.5, 2.0), Temperature(0.7, 1.0)
EVALUATION = Evaluate(k_shot=3, n_query=4, steps=(0, 1, 2, 5), baseline_learning_rates=RATES, use={"k_shots": (3,)})


@pytest.fixture
def models(bank: TaskBank, make_settings: MakeSettings) -> Models:
    """A meta-model and a joint GAN as training hands them over, untrained."""
    settings = make_settings()
    meta, joint = (initial_gan(architecture_of(bank, settings), settings.inner, seed) for seed in (11, 12))
    return (
        replace(meta, temperature=TEMPERATURE).save("meta_model", Provenance()),
        replace(joint, parameters=joint.networks).save("joint_gan", Provenance()),
    )


@pytest.fixture
def build(bank: TaskBank, make_settings: MakeSettings, models: Models, embedders: tuple[Any, Any]) -> Build:
    def samplers(**changes: Any) -> tuple[dict[str, Sampler], dict[str, float]]:
        return build_samplers(
            bank, load_embedder(embedders[0], bank), *models, make_settings(**changes), EVALUATION, seed=0
        )

    return samplers


@pytest.fixture
def supports() -> Tensor:
    return torch.rand(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_three_arms_sample_alike_and_deterministically(build: Build, supports: Tensor) -> None:
    arms_of, _ = build()
    assert list(arms_of) == ["adapted", "scratch", "fine_tuned"]
    made = {arm: sampler(supports, (0, 2), 5, 3) for arm, sampler in arms_of.items()}
    for arm, samples in made.items():
        assert samples.shape == (2, 2, 5, 1, 16, 16)
        assert samples.min() >= 0
        assert samples.max() <= 1
        assert not torch.allclose(samples[:, 0], samples[:, 1]), arm
        assert torch.equal(arms_of[arm](supports, (0, 2), 5, 3), samples)
        assert not torch.equal(arms_of[arm](supports, (0, 2), 5, 4), samples)
    assert not torch.allclose(made["adapted"], made["scratch"])
    assert not torch.allclose(made["scratch"], made["fine_tuned"])


def test_each_arm_starts_from_its_own_networks(
    build: Build,
    bank: TaskBank,
    make_settings: MakeSettings,
    models: Models,
    supports: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unadapted, an arm is its start, at its temperature: meta-model, seeded random networks, joint GAN."""
    monkeypatch.setattr(arms, "best_temperature", lambda *_: BASELINE_TEMPERATURE)
    settings = make_settings()
    random = initial_gan(architecture_of(bank, settings), settings.inner, 0)
    starts = {
        "adapted": models[0].state,
        "scratch": initial_networks(architecture_of(bank, settings), 0),
        "fine_tuned": models[1].state,
    }
    for arm, sampler in build()[0].items():
        temperature = TEMPERATURE if arm == "adapted" else BASELINE_TEMPERATURE
        gan = replace(random, parameters={**random.parameters, **starts[arm]}, temperature=temperature)
        same = make_sampler(TaskMap(gan.learner(), "loop", 1), gan)
        torch.testing.assert_close(sampler(supports, (0, 1), 4, 0)[:, 0], same(supports, (0, 1), 4, 0)[:, 0])


@pytest.mark.parametrize("rate", RATES)
def test_baselines_take_the_rate_that_does_best_on_val_classes(
    build: Build,
    make_settings: MakeSettings,
    models: Models,
    supports: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
) -> None:
    """By the median over the steps: that the best rate has diverged at the last does not decide. They adapt the part
    that an inner step adapts, and draw at the temperature that is best after the same steps."""
    calls: list[str] = []

    def verdict(*arguments: object) -> dict[str, list[float]]:
        calls.append("")
        return {"fjd": [5.0, 5.0, 5.0] if (len(calls) - 1) % 3 != RATES.index(rate) else [4.0, 1.0, 1e6]}

    def temperature_after(*arguments: Any) -> Temperature:
        assert arguments[-1] == (1, 2, 5)
        return BASELINE_TEMPERATURE

    monkeypatch.setattr(arms, "validation_metrics", verdict)
    monkeypatch.setattr(arms, "best_temperature", temperature_after)
    samplers, rates = build(inner={"adapt_parameters": "maps|head"})
    assert rates == {"scratch": rate, "fine_tuned": rate}
    inner = {"generator_learning_rate": rate, "discriminator_learning_rate": rate, "adapt_parameters": "maps|head"}
    joint = load_gan(models[1], "joint_gan").with_first_rules(update_rule="sgd", **inner)
    gan = replace(joint, temperature=BASELINE_TEMPERATURE)
    expected = make_sampler(TaskMap(gan.learner(), "loop", 1), gan)
    torch.testing.assert_close(samplers["fine_tuned"](supports, (1, 2), 4, 0), expected(supports, (1, 2), 4, 0))


def test_models_of_another_architecture_are_refused(build: Build) -> None:
    with pytest.raises(
        ValueError, match=r"meta_model was trained with another architecture \(noise_size is 4, not 6\)"
    ):
        build(networks={"noise_size": 6})
