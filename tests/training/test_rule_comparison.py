from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from metagan.errors import UserError
from metagan.meta.adaptation import adapt
from metagan.meta.differentiation import by_autograd
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import CompareRules, MetaTrain, Networks, RandomStart
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training import rule_comparison, trajectories
from metagan.training.curves import area
from metagan.training.data import generation_tasks
from metagan.training.embedder import load_embedder
from metagan.training.gan import Gan, architecture_of, initial_gan
from metagan.training.rule_comparison import Judge, compared, dynamics, measured, rule_starts, with_fixed_rule
from metagan.training.saved import Temperature
from metagan.training.trajectories import sample_trajectory

SETTINGS = CompareRules(
    rules=("sgd", "adam"),
    generator_rates=(0.01, 0.3),
    discriminator_rates=(0.02, 0.2),
    n_tasks=6,
    steps=(0, 1, 2, 4),
    level_step=2,
    judge_steps=2,
)
Setting = tuple[Judge, TaskMap, Gan]


@pytest.fixture
def setting(bank: TaskBank, make_settings: Callable[..., MetaTrain], embedders: tuple[Any, Any]) -> Setting:
    training = make_settings()
    start = initial_gan(architecture_of(bank, training), training.inner, 0)
    judge = Judge(bank, load_embedder(embedders[0], bank), SETTINGS, training, 0)
    return judge, TaskMap(start.learner(), "loop", 2), start


def test_every_start_has_every_rule_and_the_learned_one_keeps_what_it_learned(setting: Setting) -> None:
    judge, _, start = setting
    other = initial_gan(start.architecture, start.inner, 1)
    own = replace(start, temperature=Temperature(0.5, 2.0))
    small = other.with_first_rules(update_rule="mlp")
    learned = {"random": {"mlp": ("unroll", small)}, "meta": {"own": ("maml", own)}}
    rows = compared(judge, {"random": other, "meta": own}, learned)
    assert [(row["start"], row["rule_generator"], row["trained_by"]) for row in rows] == [
        ("random", "sgd", ""),
        ("random", "adam", ""),
        ("random", "mlp", "unroll"),
        ("meta", "sgd", ""),
        ("meta", "adam", ""),
        ("meta", "lslr", "maml"),
    ]
    for row in rows:
        assert {len(values) for values in row["curve"].values()} == {4}
        assert row["curve"].keys() == {"recognisability", "fjd", "diversity", "two_sample"}
        assert (row["rates"] is None) == bool(row["trained_by"])
        assert {player: len(sizes) for player, sizes in row["change"].items()} == {"generator": 4, "discriminator": 4}
    for name in ("random", "meta"):
        own = [row for row in rows if row["start"] == name]
        assert len({row["curve"]["fjd"][0] for row in own}) == 1  # the same start, on the same tasks
        level = min(row["curve"]["fjd"][2] for row in own[:2])
        assert {row["level"] for row in own} == {level}
        for row in own:
            reached = [step for step, value in zip(SETTINGS.steps, row["curve"]["fjd"], strict=True) if value <= level]
            assert row["steps_to_level"] == (reached[0] if reached else None)


def test_the_best_pair_of_rates_is_chosen_on_val_classes(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a distance that is smallest at one of the four pairs, by what the tuned rule's samples were made with."""
    judge, task_map, start = setting
    seen: list[tuple[float, float]] = []

    def samples(_: object, gan: Gan, tasks: dict[str, torch.Tensor], steps: tuple[int, ...]) -> torch.Tensor:
        seen.append((gan.inner.generator_learning_rate, gan.inner.discriminator_learning_rate))
        return torch.zeros(len(tasks["support"]), 1, 4, 1, 16, 16)

    monkeypatch.setattr(trajectories, "sample_trajectory", samples)
    monkeypatch.setattr(
        trajectories, "validation_metrics", lambda *_: {"fjd": [0.0 if seen[-1] == (0.3, 0.02) else 1.0]}
    )
    gan, rates = rule_comparison.tuned(judge, task_map, start, "adam")
    assert sorted(seen) == [(0.01, 0.02), (0.01, 0.2), (0.3, 0.02), (0.3, 0.2)]
    assert rates == (0.3, 0.02)
    assert gan.inner.update_rule == "adam" and gan.inner.steps == 2


def test_what_goes_wrong_is_counted(setting: Setting) -> None:
    judge, task_map, start = setting
    judge = replace(judge, settings=SETTINGS.model_copy(update={"judge_steps": 0}))
    steady = measured(judge, task_map, with_fixed_rule(start, "sgd", (1e-3, 1e-3), 2))
    assert steady["diverged"] == steady["vanished"] == 0
    assert "two_sample" not in steady["curve"]
    broken = dict(start.parameters)
    broken["generator.maps.0"] = torch.full_like(broken["generator.maps.0"], float("nan"))
    assert measured(judge, task_map, replace(start, parameters=broken))["diverged"] == 1
    still = dict(start.parameters)  # noise that does nothing: all samples of a task are one
    still |= {name: torch.zeros_like(value) for name, value in still.items() if "noise" in name or "bending" in name}
    assert measured(judge, task_map, replace(start, parameters=still))["collapsed"] == 1


def test_the_gradient_of_the_generator_against_autograd(setting: Setting, bank: TaskBank) -> None:
    """With rates of next to nothing, both ends are the start."""
    _, task_map, start = setting
    gan = with_fixed_rule(start, "sgd", (1e-9, 1e-9), 2)
    tasks, _ = generation_tasks(task_stream(bank, 0), "test", range(2), 3, 4, 2, Networks(noise_size=4))
    norms = dynamics(task_map, gan, tasks, (2,)).gradients
    learner, task = gan.learner(), {name: value[1] for name, value in tasks.items()}
    for place, step in ((0, 0), (1, 1)):
        leaves = {name: value.clone().requires_grad_() for name, value in gan.networks.items()}
        loss = learner.inner_loss("generator", learner.start(leaves, task), task, step)
        own = [leaves[name] for name in gan.rules["generator"].tensors if name.startswith("generator.")]
        gradients = torch.autograd.grad(loss, own)
        expected = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        torch.testing.assert_close(norms[1, place], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["loop", "vmap"])
def test_what_is_drawn_on_the_way_is_what_a_sampler_draws(setting: Setting, bank: TaskBank, mode: str) -> None:
    _, _, start = setting
    gan = with_fixed_rule(start, "adam", (0.02, 0.1), 3)
    tasks, _ = generation_tasks(task_stream(bank, 0), "test", range(2), 3, 4, 3, Networks(noise_size=4))
    task_map = TaskMap(gan.learner(), mode, 2)
    drawn = dynamics(task_map, gan, tasks, (0, 1, 3)).samples
    assert torch.equal(drawn, sample_trajectory(task_map, gan, tasks, (0, 1, 3))) and drawn.std(1).min() > 0


def test_the_area_by_hand() -> None:
    assert area((0, 1, 3, 9), (4.0, 2.0, 1.0, 100.0), 3) == pytest.approx((3 + 3) / 3)
    assert np.isfinite(area((0, 1), (1.0, 1.0), 1))


def test_a_rule_that_does_not_fit_the_loss_is_refused(setting: Setting) -> None:
    _, _, start = setting
    hinge = replace(start, inner=start.inner.model_copy(update={"gan_loss": "hinge"}))
    with pytest.raises(UserError, match=r"^meta_train\.inner\.gan_loss: must be non_saturating with gap_aware"):
        with_fixed_rule(hinge, "gap_aware", (0.1, 0.1), 2)


def test_how_far_a_step_goes_against_the_tensors(setting: Setting, bank: TaskBank) -> None:
    _, task_map, start = setting
    gan = with_fixed_rule(start, "adam", (0.02, 0.1), 3)
    tasks, _ = generation_tasks(task_stream(bank, 0), "test", range(2), 3, 4, 3, Networks(noise_size=4))
    found = dynamics(task_map, gan, tasks, (1, 3)).changes
    assert found.shape == (2, 3, 2)
    task = {name: value[1] for name, value in tasks.items()}
    places = [place for place, _ in adapt(gan.learner(), gan.rules, gan.parameters, task, 3, by_autograd, False, True)]
    for column, player in enumerate(("discriminator", "generator")):
        names = [name for name in gan.rules[player].tensors if name.startswith(player)]
        moves = np.concatenate([(places[3][name] - places[2][name]).numpy().ravel() for name in names])
        assert found[1, 2, column].item() == pytest.approx(np.sqrt((moves**2).mean()), rel=1e-4)


def test_a_random_start_is_small_and_another_for_each_seed(
    setting: Setting, bank: TaskBank, make_settings: Callable[..., MetaTrain]
) -> None:
    _, _, meta = setting
    settings = SETTINGS.model_copy(
        update={"starts": ("random", "meta"), "random_start": RandomStart(generator_width=12, discriminator_width=16)}
    )
    first, again, other = (rule_starts(bank, meta, settings, make_settings(), seed) for seed in (0, 0, 1))
    assert first["meta"] is meta
    assert first["random"].architecture.generator_width == 12 and first["random"].architecture.discriminator_width == 16
    assert first["random"].content_hash == again["random"].content_hash != other["random"].content_hash
    tensors = first["random"].rules["generator"].tensors
    assert any("maps" in name for name in tensors) and not any("noise" in name for name in tensors)
