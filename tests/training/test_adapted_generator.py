from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from metagan.io import WeightsDataset
from metagan.meta.task_parallel import TaskMap
from metagan.nets.generator import Generator
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.adapted_generator import adapt_generator
from metagan.training.arms import make_sampler
from metagan.training.data import sampling_tasks
from metagan.training.gan import architecture_of, initial_networks, initial_rules, load_gan, payload, saved_rules
from metagan.training.temperature import Temperature

TEMPERATURE = Temperature(strokes=0.4, bending=1.9)


@pytest.fixture
def meta_model(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> dict[str, Any]:
    settings = make_settings(networks={"context_size": 3, "largest_shift": 1})
    architecture = architecture_of(bank, settings)
    networks = initial_networks(architecture, 0)
    meta = {**networks, **initial_rules(settings.inner, networks)[1]}
    temperature = TEMPERATURE._asdict()
    return payload("meta_model", architecture, settings.inner, meta, temperature=temperature)


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_samples_are_those_of_the_evaluation(meta_model: dict[str, Any], pictures: Tensor) -> None:
    learner, parameters = load_gan(meta_model, "meta_model")
    expected = make_sampler(TaskMap(learner, "loop", 1), saved_rules(meta_model), parameters, TEMPERATURE)(
        pictures[None], (0, 1, 2, 3), 6, 7
    )[0]
    _, samples = adapt_generator(meta_model, pictures, 3, 6, 7, progress=False)
    assert torch.equal(samples, expected)
    assert not torch.allclose(samples[0], samples[3])


def test_the_weights_alone_draw_the_samples(meta_model: dict[str, Any], pictures: Tensor, tmp_path: Path) -> None:
    adapted, samples = adapt_generator(meta_model, pictures, 3, 6, 7, progress=False)
    WeightsDataset(str(tmp_path / "adapted.pt")).save(adapted)
    loaded = torch.load(tmp_path / "adapted.pt", weights_only=True)
    generator = Generator(**loaded["architecture"])
    generator.load_state_dict(loaded["state"])
    noise = sampling_tasks(pictures[None], 3, 6, 7, meta_model["architecture"]["noise_size"])["outer_noise"][0]
    torch.testing.assert_close(generator(noise), samples[-1])


def test_pictures_of_another_shape_are_refused(meta_model: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"another architecture \(channels is 1, not 3, image_size is 16, not 20\)"):
        adapt_generator(meta_model, torch.rand(3, 3, 20, 20), 1, 2, 0, progress=False)
    with pytest.raises(ValueError, match="weights of kind 'meta_model' are needed, not 'embedder'"):
        adapt_generator({"kind": "embedder"}, torch.rand(3, 1, 16, 16), 1, 2, 0, progress=False)


def test_divergence_is_told(meta_model: dict[str, Any], pictures: Tensor) -> None:
    meta_model["state"] |= {name: value + 200 for name, value in meta_model["state"].items() if "rule." in name}
    with pytest.raises(ValueError, match=r"adapt\.steps: adaptation diverged at step \d of 5; take fewer"):
        adapt_generator(meta_model, pictures, 5, 2, 0, progress=False)
