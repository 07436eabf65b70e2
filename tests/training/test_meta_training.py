"""Meta-training: faults, interruptions, seeds, and what it hands over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor

from metagan.domains.image import image
from metagan.errors import UserError
from metagan.meta.differentiation import Parameters
from metagan.meta.meta_gradients import META_GRADIENTS
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import InnerLoop, MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.training import meta_training, trajectories
from metagan.training.fitting import forget_ended
from metagan.training.gan import (
    Gan,
    architecture_of,
    initial_critic,
    initial_gan,
    initial_networks,
    initial_rules,
    load_gan,
)
from metagan.training.outer_loop import step_weights
from metagan.training.saved import EmbedderHeader, GanHeader, SavedModel
from metagan.training.temperature import TEMPERATURES

MakeSettings = Callable[..., MetaTrain]
Trained = tuple[SavedModel[GanHeader], list[dict[str, Any]]]
Train = Callable[..., Trained]


class Numbers(Logger):
    """Keeps what is logged."""

    name, version = "numbers", 0

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[dict[str, float]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.logged.append(dict(metrics))

    def log_hyperparams(self, *arguments: object, **named: object) -> None:
        pass


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Parameters]]]:
    """Watch the meta-parameters before each update, and put a NaN into the gradients of some updates."""

    def watch(poisoned: Callable[[int], bool] = lambda call: False) -> list[Parameters]:
        original, seen = TaskMap.mean_gradient, []

        def mean_gradient(self: TaskMap, loss: Any, parameters: Parameters, tasks: Any) -> tuple[Tensor, Parameters]:
            value, gradients = original(self, loss, parameters, tasks)
            if poisoned(len(seen)):
                gradients["generator.fine.weight"].view(-1)[3] = float("nan")
            seen.append({name: part.detach().clone() for name, part in parameters.items()})
            return value, gradients

        monkeypatch.setattr(TaskMap, "mean_gradient", mean_gradient)
        return seen

    return watch


def same(first: Parameters, second: Parameters) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def checkpoint(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("*/last.ckpt")
    return torch.load(path, weights_only=True)


def without_time(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def falling_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look on the val classes is worse than the one before."""
    looks = iter(range(100))

    def metrics(embed: object, samples: Tensor, *rest: object) -> dict[str, list[float]]:
        value = 1.0 + 0.1 * next(looks)
        after_steps = [value] * (samples.shape[1] - 1)
        return {name: [5.0, *after_steps] for name in ("recognisability", "fjd", "diversity")}

    monkeypatch.setattr(trajectories, "validation_metrics", metrics)


# What training hands over


def test_model_and_history(
    train: Train,
    bank: TaskBank,
    make_settings: MakeSettings,
    embedders: tuple[SavedModel[EmbedderHeader], SavedModel[EmbedderHeader]],
) -> None:
    shown: list[tuple[tuple[int, ...], int]] = []
    settings = make_settings()
    model, history = train(settings, show=lambda pictures, step: shown.append((tuple(pictures.shape), step)))
    gan = load_gan(model, "meta_model", architecture_of(bank, settings))
    images = gan.learner().generate(gan.parameters, torch.randn(3, 4))
    assert images.shape == (3, 1, 16, 16)
    assert model.header.inner == settings.inner
    assert model.header.provenance.made_from == {
        "task_bank": bank.content_hash,
        "evaluation_embedder": embedders[0].content_hash,
        "objective_embedder": embedders[1].content_hash,
    }
    assert {f"rule.{name}" for name in initial_networks(architecture_of(bank, settings), 0)} < gan.parameters.keys()
    assert [row["meta_step"] for row in history] == [2, 4]
    assert all(row["skipped"] == 0 and row["train_loss"] is not None for row in history)
    for row in history:
        scratch = row["val/recognisability_2"] - row["val/gap_2"]
        assert scratch == pytest.approx(history[0]["val/recognisability_2"] - history[0]["val/gap_2"])
    shape = (5, 3 + 3 * 4, 1, 16, 16)  # support; steps 0, 1, 2
    assert shown == [(shape, 0), (shape, 2), (shape, 4)]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_with_too_few_images_is_told_before_training_starts(
    bank: TaskBank,
    embedders: tuple[Any, Any],
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    split: str,
) -> None:
    """The last class of the split, which may come late in training."""
    last = bank.splits[split][-1]
    places = np.delete(np.arange(len(bank.images)), np.arange(bank.offsets[last] + 6, bank.offsets[last + 1]))
    offsets = np.where(np.arange(len(bank.offsets)) > last, bank.offsets - 4, bank.offsets)
    short = replace(bank, images=bank.images[places], offsets=offsets)
    monkeypatch.setattr(meta_training, "fit", lambda *_: pytest.fail("training has started"))
    message = rf"k_shot \+ meta_train.n_query = 3 \+ 4, but the {split} class '{bank.classes[last].name}' has 6 images"
    with pytest.raises(UserError, match=message):
        meta_training.meta_train(short, *embedders, make_settings(), Trainer(), 0, tmp_path, None)


def test_a_single_val_class_is_told_before_training_starts(
    bank: TaskBank,
    embedders: tuple[Any, Any],
    make_settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    dropped = bank.splits["val"][1:]
    classes = tuple(
        replace(record, split="test") if index in dropped else record for index, record in enumerate(bank.classes)
    )
    monkeypatch.setattr(meta_training, "fit", lambda *_: pytest.fail("training has started"))
    with pytest.raises(UserError, match="meta_train: the val split of pictures has too few classes, 1: "):
        meta_training.meta_train(
            replace(bank, classes=classes), *embedders, make_settings(), Trainer(), 0, tmp_path, None
        )


def test_the_temperature_is_that_of_the_weights_that_are_kept(
    train: Train, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Parameters] = []

    def choose(bank: TaskBank, embed: object, task_map: TaskMap, gan: Gan, *rest: object) -> object:
        judged.append(gan.parameters)
        assert rest[-1] == (1, 2)  # validation_steps
        return TEMPERATURES[6]

    monkeypatch.setattr(meta_training, "best_temperature", choose)
    model, _ = train(make_settings())
    assert same(judged[0], model.state)
    assert model.header.temperature == TEMPERATURES[6]


def test_the_model_is_the_average_of_the_best_look(
    train: Train, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    falling_scores(monkeypatch)
    model, history = train(make_settings(meta_steps=6, retreat_margin=1.0))
    assert [row["val/score"] for row in history] == pytest.approx([-0.1, -0.2, -0.3])  # scratch was looked at first
    assert model.header.provenance.meta_step == 2
    saved = checkpoint(tmp_path / "training")["state_dict"]
    assert same(model.state, {k[5:].replace("/", "."): v for k, v in saved.items() if k.startswith("best.")})
    assert not same(model.state, {k[8:].replace("/", "."): v for k, v in saved.items() if k.startswith("average.")})


def test_the_average_over_time_follows_its_formula(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]], tmp_path: Path
) -> None:
    """Decay min(ema_decay, t / (t + 9)), from the start on; the last update is in the checkpoint."""
    before_updates = spy()
    train(make_settings(meta_steps=3, validate_every=3, ema_decay=0.2))
    saved = checkpoint(tmp_path / "training")["state_dict"]
    last = {name[5:].replace("/", "."): value for name, value in saved.items() if name.startswith("meta.")}
    average = dict(before_updates[0])
    for step, parameters in enumerate([*before_updates[1:], last], start=1):
        decay = min(0.2, step / (step + 9))
        average = {name: decay * value + (1 - decay) * parameters[name] for name, value in average.items()}
    for name, value in average.items():
        torch.testing.assert_close(saved[f"average.{name.replace('.', '/')}"], value)


def test_training_starts_from_the_seeded_networks(
    train: Train, bank: TaskBank, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    seen, settings = spy(), make_settings(meta_steps=2)
    train(settings, seed=3)
    networks = initial_networks(architecture_of(bank, settings), 3)
    assert same(seen[0], {**networks, **initial_rules(image, settings.inner, networks)[1]})
    assert not same(seen[0], seen[1])


def test_fixed_rates_are_never_updated(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    seen = spy()
    model, _ = train(make_settings(inner={"update_rule": "sgd"}))
    assert not any(name.startswith("rule.") for name in seen[0])
    rates = {name: value.item() for name, value in model.state.items() if name.startswith("rule.")}
    assert rates
    _, first = initial_rules(image, InnerLoop(update_rule="sgd"), seen[0])
    assert rates == pytest.approx({name: value.item() for name, value in first.items()})


def test_training_can_be_bounded_by_minutes_alone(train: Train, make_settings: MakeSettings) -> None:
    model, _ = train(make_settings(meta_steps=None, minutes=0.03))
    assert 1.8 <= model.header.provenance.seconds < 30


# Faults


def test_a_poisoned_gradient_skips_its_update_and_is_told(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    seen, numbers = spy(lambda call: call in (1, 3)), Numbers()
    model, history = train(make_settings(meta_steps=6, maximum_skipped_in_a_row=2), logger=numbers)
    unchanged = [same(before, after) for before, after in pairwise(seen)]
    assert unchanged == [False, True, False, True, False]
    assert all(value.isfinite().all() for value in model.state.values())
    assert [row["skipped"] for row in history] == [1, 2, 2]


def test_skipped_updates_are_logged(
    train: Train,
    make_settings: MakeSettings,
    spy: Callable[..., list[Parameters]],
) -> None:
    spy(lambda call: call == 1)
    numbers = Numbers()
    train(make_settings(meta_steps=10, validate_every=10), logger=numbers)  # Lightning logs every tenth step
    assert [row["skipped"] for row in numbers.logged if "skipped" in row] == [1.0]


def test_a_run_of_poisoned_gradients_ends_training(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    seen = spy(lambda call: call >= 1)
    with pytest.raises(UserError, match=r"3 meta-gradients in a row .* lower meta_train\.learning_rate"):
        train(make_settings(meta_steps=10, maximum_skipped_in_a_row=3))
    assert len(seen) == 4


# Seeds and interruptions


@pytest.fixture
def uninterrupted(train: Train, make_settings: MakeSettings) -> Trained:
    return train(make_settings(meta_steps=6), folder="uninterrupted")


def test_same_seed_same_numbers_other_seed_other_numbers(
    train: Train, make_settings: MakeSettings, uninterrupted: Trained
) -> None:
    torch.rand(1)  # the global random state does not count
    again, other = (train(make_settings(meta_steps=6), seed=seed, folder=f"seed {seed}") for seed in (0, 1))
    assert same(again[0].state, uninterrupted[0].state)
    assert without_time(again[1]) == without_time(uninterrupted[1])
    assert not same(other[0].state, uninterrupted[0].state)


def stop_at(meta_step: int) -> Callable[[Tensor, int], None]:
    def show(pictures: Tensor, step: int) -> None:
        if step == meta_step:
            raise InterruptedError("stopped by the test")

    return show


WITH_CRITIC = {
    "retreat_margin": 10.0,  # or the optimiser would begin anew
    "meta_steps": 6,
    "networks": {"encoder": True, "redrawing_width": 8},
    "start_weight": 0.5,
    "outer_objective": {"critic": 0.5, "critic_width": 8, "critic_learning_rate": 0.002},
    "warm_up": {"inner_steps": 0, "meta_steps": 3},
}


def test_an_interrupted_training_with_a_critic_goes_on_to_the_same_bits(
    train: Train, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Everything that the checkpoint holds, the critic and both moments of its optimiser too."""
    settings = make_settings(**WITH_CRITIC)
    whole, history = train(settings, folder="uninterrupted")
    with pytest.raises(InterruptedError):
        train(settings, show=stop_at(4))
    model, again = train(settings)
    assert same(model.state, whole.state)
    assert without_time(again) == without_time(history)
    first, second = (checkpoint(tmp_path / folder) for folder in ("uninterrupted", "training"))
    assert same(first["state_dict"], second["state_dict"])
    moments = [saved["optimizer_states"][0]["state"] for saved in (first, second)]
    assert moments[0].keys() == moments[1].keys()
    assert all(same(moments[0][index], moments[1][index]) for index in moments[0])
    assert len(moments[0]) == sum(name.startswith("meta.") for name in first["state_dict"])


def test_the_critic_learns_at_its_own_rate_and_stays_out_of_the_model(
    train: Train, bank: TaskBank, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(**WITH_CRITIC)
    model, _ = train(settings)
    assert not any(name.startswith("critic.") for name in model.state)
    saved = checkpoint(tmp_path / "training")
    groups = {group["initial_lr"]: group for group in saved["optimizer_states"][0]["param_groups"]}
    assert {rate: group["betas"] for rate, group in groups.items()} == {
        settings.learning_rate: (0.5, 0.99),
        settings.rule_learning_rate: (0.5, 0.99),
        0.002: (0.0, 0.99),
    }
    started = initial_critic(architecture_of(bank, settings), settings.outer_objective, 0)
    assert len(groups[0.002]["params"]) == len(started)
    trained = {name: saved["state_dict"][f"meta.{name.replace('.', '/')}"] for name in started}
    # Without a first moment, step t of Adam is at most the root of t rates long.
    moves = torch.cat([(trained[name] - value).flatten().abs() for name, value in started.items()])
    assert 0.002 < moves.max() < 6 * 6**0.5 * 0.002


def test_a_warm_up_of_no_steps_trains_the_start_alone(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    seen = spy()
    train(make_settings(**WITH_CRITIC | {"warm_up": {"inner_steps": 0, "meta_steps": 3}}))
    inner = [
        torch.cat(
            [value.flatten() for name, value in parameters.items() if name.startswith(("rule.", "discriminator"))]
        )
        for parameters in seen
    ]
    start = [parameters["encoder.to_maps.0.weight"] for parameters in seen]
    assert [torch.equal(before, after) for before, after in pairwise(inner)] == [True, True, True, False, False]
    assert not any(torch.equal(before, after) for before, after in pairwise(start))


def test_an_interrupted_training_goes_on_to_the_same_bits(
    train: Train,
    make_settings: MakeSettings,
    uninterrupted: Trained,
    spy: Callable[..., list[Parameters]],
) -> None:
    """Weights, optimiser, average, history: stopped at its second look, taken up from its first."""
    settings = make_settings(meta_steps=6)
    with pytest.raises(InterruptedError):
        train(settings, show=stop_at(4))
    seen = spy()
    model, history = train(settings)
    assert len(seen) == 4  # steps 3 to 6
    assert same(model.state, uninterrupted[0].state)
    assert without_time(history) == without_time(uninterrupted[1])


def test_a_training_with_a_rule_for_each_player_goes_on_to_the_same_bits(
    train: Train, make_settings: MakeSettings
) -> None:
    """What is learned of rules is resumed, what is fixed of them is made again."""
    settings = make_settings(meta_steps=4, inner={"update_rule": {"generator": "adam", "discriminator": "recurrent"}})
    whole, history = train(settings, folder="whole")
    with pytest.raises(InterruptedError):
        train(settings, show=stop_at(4))
    model, again = train(settings)
    assert same(model.state, whole.state)
    assert without_time(again) == without_time(history)
    assert {"rule.generator.epsilon", "rule.discriminator.readout"} < model.state.keys()
    first = initial_gan(model.header.architecture, settings.inner, 0).parameters
    assert torch.equal(model.state["rule.generator.epsilon"], first["rule.generator.epsilon"])
    assert not torch.equal(model.state["rule.discriminator.readout"], first["rule.discriminator.readout"])


def test_the_last_checkpoint_is_the_last_even_when_scores_fall(
    train: Train,
    make_settings: MakeSettings,
    spy: Callable[..., list[Parameters]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    falling_scores(monkeypatch)
    settings = make_settings(meta_steps=6)
    with pytest.raises(InterruptedError):
        train(settings, show=stop_at(6))
    seen = spy()
    train(settings)
    assert len(seen) == 2  # steps 5 and 6


@pytest.mark.parametrize("change", ["seed", "settings"])
def test_only_the_same_training_is_resumed(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]], change: str
) -> None:
    with pytest.raises(InterruptedError):
        train(make_settings(), show=stop_at(4))
    seen = spy()
    train(make_settings(learning_rate=2e-3) if change == "settings" else make_settings(), seed=int(change == "seed"))
    assert len(seen) == 4


def test_an_ended_training_is_not_trained_again_until_it_is_forgotten(
    train: Train, make_settings: MakeSettings, spy: Callable[..., list[Parameters]]
) -> None:
    """Stopped after the end of training and before its result was saved, or later in the same run."""
    first = train(make_settings())
    seen = spy()
    again = train(make_settings())
    assert not seen
    assert same(again[0].state, first[0].state)
    assert again[1] == first[1]
    forget_ended()
    train(make_settings())
    assert len(seen) == 4


def test_all_modes_train_alike(train: Train, make_settings: MakeSettings) -> None:
    models = {
        mode: train(make_settings(meta_steps=2, task_parallel=mode), folder=mode)[0].state
        for mode in ("loop", "threads", "vmap")
    }
    assert same(models["loop"], models["threads"])
    for name, value in models["loop"].items():
        torch.testing.assert_close(models["vmap"][name], value, rtol=1e-2, atol=2e-3)


# The plan of the meta-steps


def test_warm_up_switches_the_meta_gradient(
    train: Train, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    for name, estimate in META_GRADIENTS.items():

        def recorded(*arguments: Any, _name: str = name, _estimate: Any = estimate) -> Tensor:
            used.append(_name)
            return _estimate(*arguments)

        monkeypatch.setitem(meta_training.META_GRADIENTS, name, recorded)
    train(make_settings(tasks_per_step=1, warm_up={"meta_gradient": "fomaml", "meta_steps": 3}))
    assert used == ["fomaml", "fomaml", "fomaml", "maml"]


@pytest.mark.parametrize(("steps", "expected"), [(1, [1.0]), (3, [0.2, 0.6, 1.0])])
def test_later_steps_weigh_more(steps: int, expected: list[float]) -> None:
    assert step_weights(steps, 0.2) == pytest.approx(expected)


def test_rates_fall_on_a_cosine_at_the_end(
    train: Train, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    step = torch.optim.Adam.step

    def recorded(self: torch.optim.Adam, *arguments: Any, **named: Any) -> Any:
        used.append([group["lr"] for group in self.param_groups])
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", recorded)
    rates = {"learning_rate": 1e-3, "rule_learning_rate": 1e-2, "final_learning_rate_fraction": 0.1, "decay_from": 0.5}
    train(make_settings(meta_steps=8, validate_every=8, **rates))
    falling = [0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2 for share in (0.0, 0.25, 0.5, 0.75)]
    factors = [1.0] * 4 + falling
    assert [networks for networks, _ in used] == pytest.approx([1e-3 * factor for factor in factors])
    assert [rule for _, rule in used] == pytest.approx([1e-2 * factor for factor in factors])


def test_meta_steps_draw_how_many_support_images_their_tasks_have(
    train: Train, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, seen = TaskMap.mean_gradient, []

    def mean_gradient(self: TaskMap, loss: Any, parameters: Parameters, tasks: Any) -> tuple[Tensor, Parameters]:
        seen.append((tasks["support"].shape[1], tasks["inner_noise"].shape[3]))
        return original(self, loss, parameters, tasks)

    monkeypatch.setattr(TaskMap, "mean_gradient", mean_gradient)
    saved, _ = train(make_settings(smallest_k_shot=2, k_shot=3, meta_steps=8))
    assert set(seen) == {(2, 2), (3, 3)}
    assert saved.header.k_shots == (2, 3)
