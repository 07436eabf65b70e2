from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from metagan.domains.image import generator_arguments
from metagan.io import WeightsDataset
from metagan.meta.task_parallel import TaskMap
from metagan.nets.generator import Generator
from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training.adapted_generator import adapt_generator, draw, joined
from metagan.training.arms import make_sampler
from metagan.training.data import sampling_tasks
from metagan.training.gan import architecture_of, initial_gan, load_gan
from metagan.training.saved import EmbedderHeader, GanHeader, Provenance, SavedModel, Temperature

TEMPERATURE = Temperature(strokes=0.4, bending=1.9)


@pytest.fixture
def meta_model(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> SavedModel[GanHeader]:
    settings = make_settings(networks={"context_size": 3, "largest_shift": 1})
    gan = initial_gan(architecture_of(bank, settings), settings.inner, 0)
    return replace(gan, temperature=TEMPERATURE).save("meta_model", Provenance())


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def test_samples_are_those_of_the_evaluation(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    gan = load_gan(meta_model, "meta_model")
    assert gan.temperature == TEMPERATURE
    expected = make_sampler(TaskMap(gan.learner(), "loop", 1), gan)(pictures[None], (0, 1, 2, 3), 6, 7)[0]
    _, samples = adapt_generator(meta_model, pictures, 3, 6, 7, progress=False)
    assert torch.equal(samples, expected)
    assert not torch.allclose(samples[0], samples[3])


def test_the_weights_alone_draw_the_samples(
    meta_model: SavedModel[GanHeader], pictures: Tensor, tmp_path: Path
) -> None:
    adapted, samples = adapt_generator(meta_model, pictures, 3, 6, 7, progress=False)
    WeightsDataset(str(tmp_path / "adapted.pt")).save(adapted)
    loaded = WeightsDataset(str(tmp_path / "adapted.pt")).load()
    generator = Generator(**generator_arguments(loaded.header.architecture))
    generator.load_state_dict(loaded.state)
    noise = sampling_tasks(pictures[None], 3, 6, 7, meta_model.header.architecture)["outer_noise"][0]
    torch.testing.assert_close(generator(noise), samples[-1])


def test_a_lower_temperature_draws_what_is_more_alike(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    """By the weights of the noise, which it multiplies."""
    plain, cold = (
        adapt_generator(meta_model, pictures, 2, 40, 7, progress=False, temperature=factor) for factor in (1.0, 0.25)
    )
    name = "noise.weight"
    torch.testing.assert_close(cold[0].state[name], plain[0].state[name] / 4)
    assert cold[1][-1].std(0).mean() < plain[1][-1].std(0).mean()


def test_pictures_of_another_shape_are_refused(
    meta_model: SavedModel[GanHeader], embedders: tuple[SavedModel[EmbedderHeader], ...]
) -> None:
    with pytest.raises(ValueError, match=r"another architecture \(shape is \(1, 16, 16\), not \(3, 20, 20\)\)"):
        adapt_generator(meta_model, torch.rand(3, 3, 20, 20), 1, 2, 0, progress=False)
    with pytest.raises(ValueError, match="weights of kind 'meta_model' are needed, not 'embedder'"):
        adapt_generator(embedders[0], torch.rand(3, 1, 16, 16), 1, 2, 0, progress=False)


def test_the_generator_says_of_which_model_it_is(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    adapted, _ = adapt_generator(meta_model, pictures, 1, 1, 7, progress=False)
    assert adapted.header.provenance.made_from == meta_model.identity("meta_model")


def test_divergence_is_told(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    meta_model.state.update({name: value + 200 for name, value in meta_model.state.items() if "rule." in name})
    with pytest.raises(ValueError, match=r"adapt\.steps: adaptation diverged at step \d of 5; take fewer"):
        adapt_generator(meta_model, pictures, 5, 2, 0, progress=False)


def test_several_parts_draw_each_their_own(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    """Which of them the seed chooses, for each example and in equal shares; one alone is what it was."""
    dark, bright = (
        adapt_generator(meta_model, given, 3, 6, 7, progress=False)[0] for given in (pictures, 1 - pictures)
    )
    assert joined([dark]) is dark
    both = joined([dark, bright])
    assert both.header.parts == 2 and both.header.provenance.seconds > dark.header.provenance.seconds
    drawn, of_each = draw(both, 200, 3), [draw(part, 200, 3) for part in (dark, bright)]
    by = torch.stack([torch.isclose(drawn, part, atol=1e-5).flatten(1).all(1) for part in of_each])
    assert torch.equal(by.sum(0), torch.ones(200, dtype=torch.long))
    assert 70 < by[0].sum() < 130
    assert len({torch.isclose(draw(both, 1, seed), draw(dark, 1, seed)).all().item() for seed in range(9)}) == 2
