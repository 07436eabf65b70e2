from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from metagan.domains.image import image
from metagan.meta.task_parallel import TaskMap
from metagan.parameters import MetaTrain, Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training import temperature
from metagan.training.data import generation_tasks
from metagan.training.gan import Gan, architecture_of, initial_networks
from metagan.training.saved import AS_TRAINED, Temperature
from metagan.training.temperature import TEMPERATURES, at_temperature, best_temperature
from metagan.training.trajectories import sample_trajectory

NOISE = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def settings(make_settings: Callable[..., MetaTrain]) -> MetaTrain:
    return make_settings(networks={"largest_shift": 2})


@pytest.fixture
def start(bank: TaskBank, settings: MetaTrain) -> Gan:
    """It draws something in which noise can be seen."""
    seeded = torch.Generator().manual_seed(1)
    networks = {
        name: value + 0.3 * torch.randn(value.shape, generator=seeded)
        for name, value in initial_networks(architecture_of(bank, settings), 0).items()
    }
    return Gan(architecture_of(bank, settings), settings.inner, networks).with_first_rules()


def test_one_temperature_for_both_is_louder_noise(start: Gan) -> None:
    learner, parameters = start.learner(), start.parameters
    drawn = learner.generate(at_temperature(image, parameters, Temperature(0.6, 0.6)), NOISE)
    torch.testing.assert_close(drawn, learner.generate(parameters, 0.6 * NOISE))
    assert not torch.allclose(drawn, learner.generate(parameters, NOISE), atol=1e-3)


def test_each_kind_of_noise_has_its_own(start: Gan) -> None:
    """Without noise in the strokes all samples are one drawing, bent or not; both kinds alone leave some variety."""
    learner, parameters = start.learner(), start.parameters

    def spread(strokes: float, bending: float) -> float:
        loud = at_temperature(image, parameters, Temperature(strokes, bending))
        return learner.generate(loud, NOISE).std(0).max().item()

    assert spread(0, 0) == pytest.approx(0, abs=1e-6)
    assert min(spread(1, 0), spread(0, 1)) > 1e-3
    still = at_temperature(image, parameters, Temperature(0, 1))
    changed = {name for name, value in parameters.items() if not torch.equal(still[name], value)}
    assert changed == {"generator.noise.weight"}


def test_a_generator_that_does_not_bend(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> None:
    networks = initial_networks(architecture_of(bank, make_settings(networks={"largest_shift": 0})), 0)
    quiet = at_temperature(image, networks, Temperature(0.5, 2.0))
    assert quiet.keys() == networks.keys()
    assert torch.equal(quiet["generator.noise.weight"], 0.5 * networks["generator.noise.weight"])


def test_a_gan_draws_as_trained_until_another_temperature_is_chosen(start: Gan) -> None:
    assert start.temperature == AS_TRAINED == TEMPERATURES[0] == Temperature(1.0, 1.0)


@pytest.mark.parametrize(
    ("diverse", "best"),
    [({3: 1.0, 7: 0.95}, 7), ({5: 0.94}, 2), ({number: 1.5 for number in range(16)}, 2)],
    ids=["of the diverse the nearest", "none is diverse", "all are"],
)
def test_the_nearest_of_the_diverse_is_chosen(
    start: Gan,
    bank: TaskBank,
    settings: MetaTrain,
    monkeypatch: pytest.MonkeyPatch,
    diverse: dict[int, float],
    best: int,
) -> None:
    """Number 2 has the lowest FJD, of 3 and 7 the latter, though at one step of three 2 and 7 have diverged, and the
    worst one is best; 9 has diverged at all."""
    fjd = np.tile(np.linspace(9, 5, len(TEMPERATURES)), (3, 1))
    fjd[:, 2], fjd[:, 9] = 1.0, np.nan
    fjd[1, [2, 7]], fjd[1, 0] = 1000.0, 0.0
    spread = np.tile([diverse.get(number, 0.5) for number in range(len(TEMPERATURES))], (3, 1))
    spread[2] = 0.1
    verdict = {"fjd": fjd.ravel().tolist(), "diversity": spread.ravel().tolist()}
    monkeypatch.setattr(temperature, "metrics_of_features", lambda *_: verdict)
    task_map = TaskMap(start.learner(), "loop", 1)
    chosen = best_temperature(bank, nn.Flatten(), task_map, start, settings, 0, (1, 2, 5))
    assert chosen == TEMPERATURES[best]


@pytest.mark.parametrize(("noises", "expected"), [(2, 16), (1, 4)])
def test_only_noises_that_a_domain_has_are_tried(
    start: Gan,
    bank: TaskBank,
    settings: MetaTrain,
    monkeypatch: pytest.MonkeyPatch,
    noises: int,
    expected: int,
) -> None:
    """What a second factor would change is not there, so that the samples would be drawn four times over."""
    gan_networks = replace(start.domain.gan, noise=start.domain.gan.noise[:noises])
    monkeypatch.setattr(Gan, "domain", replace(start.domain, gan=gan_networks))
    tried = []

    def metrics(made: np.ndarray, *_: object) -> dict[str, list[float]]:
        tried.append(made.shape[1])
        return {"fjd": list(range(made.shape[1], 0, -1)), "diversity": [1.0] * made.shape[1]}

    monkeypatch.setattr(temperature, "metrics_of_features", metrics)
    task_map = TaskMap(start.learner(), "loop", 1)
    chosen = best_temperature(bank, nn.Flatten(), task_map, start, settings, 0, (1,))
    assert tried == [expected] and chosen == {2: TEMPERATURES[-1], 1: TEMPERATURES[12]}[noises]


@pytest.mark.parametrize("mode", ["loop", "vmap"])
def test_what_is_judged_are_samples_of_val_classes_after_the_steps_that_are_asked_for(
    start: Gan,
    bank: TaskBank,
    settings: MetaTrain,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    seen: list[Any] = []

    def verdict(made: np.ndarray, *rest: Any) -> dict[str, list[float]]:
        seen.extend([made, *rest])
        return {"fjd": [1.0] * made.shape[1], "diversity": [1.0] * made.shape[1]}

    monkeypatch.setattr(temperature, "metrics_of_features", verdict)
    task_map = TaskMap(start.learner(), mode, 2)
    settings = settings.model_copy(update={"validation_tasks": 7})
    best_temperature(bank, nn.Flatten(), task_map, start, settings, 3, (1, 3))
    made, shown, real, classes, _ = seen
    tasks, expected_classes = generation_tasks(task_stream(bank, 3), "val", range(7), 3, 4, 3, Networks(noise_size=4))
    assert classes.tolist() == expected_classes
    assert np.array_equal(shown, tasks["support"].flatten(2).numpy())
    assert np.array_equal(real, tasks["query"].flatten(2).numpy())
    for number in (0, 6, 15):
        expected = sample_trajectory(task_map, replace(start, temperature=TEMPERATURES[number]), tasks, (1, 3)).flatten(
            3
        )
        np.testing.assert_allclose(made[:, [number, 16 + number]], expected, rtol=1e-4, atol=1e-5)
