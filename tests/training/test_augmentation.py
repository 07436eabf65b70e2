from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from metagan.parameters import MetaTrain
from metagan.tasks.bank import TaskBank
from metagan.training import augmentation
from metagan.training.adapted_generator import adapt_generator, draw
from metagan.training.augmentation import groups_of, samples_of_class
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.saved import GanHeader, Provenance, SavedModel, Shots


@pytest.fixture
def meta_model(bank: TaskBank, make_settings: Callable[..., MetaTrain]) -> SavedModel[GanHeader]:
    settings = make_settings()
    model = initial_gan(architecture_of(bank, settings), settings.inner, 0).save("meta_model", Provenance())
    header = model.header.model_copy(update={"k_shots": Shots(1, 4)})
    return SavedModel(header, model.state)


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(10, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("count", "shots", "sizes"),
    [
        (1, (1, 8), [1]),
        (8, (1, 8), [8]),
        (9, (1, 8), [5, 4]),
        (17, (1, 8), [6, 6, 5]),
        (9, (5, 8), [9]),  # more than 8, but no two groups of 5
        (10, (5, 5), [5, 5]),
    ],
)
def test_a_class_is_dealt_into_groups_that_the_model_takes(
    count: int, shots: tuple[int, int], sizes: list[int]
) -> None:
    groups = groups_of(count, Shots(*shots))
    assert [len(group) for group in groups] == sizes
    assert sorted(number for group in groups for number in group) == list(range(count))


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_there_are_as_many_samples_as_are_asked_for(
    n: int, meta_model: SavedModel[GanHeader], pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augmentation, "AT_ONCE", 4)
    batches = list(samples_of_class(meta_model, pictures, 1, n, (0, 1)))
    assert sum(len(batch.samples) for batch in batches) == n
    assert all(1 <= len(batch.samples) <= 4 for batch in batches)
    assert len({batch.seed for batch in batches}) == len(batches)
    drawn = torch.cat([batch.samples for batch in batches]).flatten(1)
    assert len(drawn.unique(dim=0)) == n
    if n >= 7:
        assert {number for batch in batches for number in batch.sources} == set(range(10))


def test_a_batch_says_how_to_make_it_again(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    for batch in samples_of_class(meta_model, pictures, 2, 9, (3,)):
        adapted, _ = adapt_generator(meta_model, pictures[list(batch.sources)], 2, 1, batch.seed, progress=False)
        assert torch.equal(draw(adapted, 3, batch.seed), batch.samples)


def test_other_seeds_give_other_samples(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    first, again, other = (
        next(samples_of_class(meta_model, pictures[:2], 1, 3, seed)).samples for seed in ((0, 1), (0, 1), (0, 2))
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_divergence_names_the_parameter(meta_model: SavedModel[GanHeader], pictures: Tensor) -> None:
    meta_model.state.update({name: value + 200 for name, value in meta_model.state.items() if "rule." in name})
    with pytest.raises(ValueError, match=r"augment\.steps: adaptation diverged at step \d of 5; take fewer"):
        list(samples_of_class(meta_model, pictures, 5, 2, (0,)))
