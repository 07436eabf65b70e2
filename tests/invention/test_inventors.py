"""What every inventor promises, and what each of them does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from metagan.evaluation.features import embed_images
from metagan.invention.inventors import INVENTORS, Studio
from metagan.invention.inventors.directions import principal_spread
from metagan.invention.inventors.hardest import density_of, log_density, one_shot_loss
from metagan.invention.inventors.strokes import side_of_line
from metagan.parameters import Invent

MakeSettings = Callable[..., Invent]


@pytest.mark.parametrize("name", INVENTORS)
def test_gives_as_many_different_drafts_as_asked_for(name: str, studio: Studio, make_settings: MakeSettings) -> None:
    drafts = INVENTORS[name](studio, make_settings(), 4, np.random.default_rng(0))
    assert len(drafts) == 4
    for draft in drafts:
        assert draft.images.shape == (studio.shots, 1, 16, 16) and not draft.images.requires_grad
        assert draft.images.min() >= 0 and draft.images.max() <= 1
        assert len(draft.parents) == len(draft.weights) and set(draft.parents) <= set(studio.parents.tolist())
        assert not draft.weights or sum(draft.weights) == pytest.approx(1)
        assert draft.way
    assert len({draft.images.numpy().tobytes() for draft in drafts}) == 4


@pytest.mark.parametrize("name", INVENTORS)
def test_the_same_seed_invents_the_same(name: str, studio: Studio, make_settings: MakeSettings) -> None:
    first, again, other = (
        INVENTORS[name](studio, make_settings(), 2, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert all(torch.equal(one.images, same.images) for one, same in zip(first, again, strict=True))
    assert not torch.equal(first[0].images, other[0].images)


def test_parents_are_train_classes(studio: Studio) -> None:
    assert len(set(studio.parents.tolist())) == 12
    assert {studio.bank.classes[parent].split for parent in studio.parents} == {"train"}


def test_a_code_holds_the_adapted_tensors(studio: Studio) -> None:
    parts = studio.parts(studio.codes[3])
    assert set(parts) == {name for name in studio.gan.rules["generator"].tensors if name.startswith("generator.")}
    assert all(value.shape == studio.gan.parameters[name].shape for name, value in parts.items())
    assert sum(value.numel() for value in parts.values()) == studio.codes.shape[1]


def test_interpolate_is_linear_in_the_codes(studio: Studio, make_settings: MakeSettings) -> None:
    (draft,) = INVENTORS["interpolate"](studio, make_settings(), 1, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    first, second = generator.choice(12, 2, replace=False)
    share = 0.3 + 0.4 * generator.dirichlet([1, 1])[0]
    assert draft.weights == pytest.approx((share, 1 - share))
    code = share * studio.codes[first] + (1 - share) * studio.codes[second]
    assert torch.allclose(draft.images, studio.draw(code, generator), atol=1e-5)


def test_directions_are_the_principal_components_of_the_codes() -> None:
    codes = np.random.default_rng(0).normal(size=(9, 40)) * np.linspace(5, 0.1, 40) + 3
    spread = principal_spread(torch.from_numpy(codes).float(), 4).numpy()
    values, vectors = np.linalg.eigh(np.cov(codes.T))
    for row, value, vector in zip(spread, values[::-1], vectors.T[::-1], strict=False):
        assert np.linalg.norm(row) == pytest.approx(np.sqrt(value), rel=1e-4)
        assert abs(row @ vector) == pytest.approx(np.sqrt(value), rel=1e-4)
    assert len(principal_spread(torch.from_numpy(codes).float(), 100)) == 8


def test_strokes_of_the_first_parent_are_on_its_side(studio: Studio, make_settings: MakeSettings) -> None:
    right = side_of_line((6, 8), 0.0, 100.0)
    assert torch.equal(right.round(), torch.tensor([0.0] * 4 + [1.0] * 4).expand(6, 8))
    below = side_of_line((6, 8), np.pi / 2, 100.0)
    assert torch.equal(below.round()[:, 0], torch.tensor([0.0] * 3 + [1.0] * 3))
    settings, drawn = make_settings(strokes={"sharpness": 10.0}), []
    remembering = type("Remembering", (Studio,), {"draw": lambda self, code, _: drawn.append(code) or code})
    INVENTORS["strokes"](remembering(**vars_of(studio)), settings, 1, np.random.default_rng(0))
    generator = np.random.default_rng(0)
    first, second = generator.choice(12, 2, replace=False)
    share = side_of_line((16, 16), generator.uniform(0, 2 * np.pi), 10.0)
    made, one, other = (studio.parts(code)["generator.maps.2"] for code in (drawn[0], *studio.codes[[first, second]]))
    assert torch.allclose(made[..., share > 0.999], one[..., share > 0.999], atol=1e-3)
    assert torch.allclose(made[..., share < 0.001], other[..., share < 0.001], atol=1e-3)
    assert (one - other).abs().mean() > 0.02


def vars_of(studio: Studio) -> dict:
    return {name: getattr(studio, name) for name in Studio.__dataclass_fields__}


def test_members_stay_near_their_anchor(studio: Studio, make_settings: MakeSettings) -> None:
    within = {"between": 3.0, "within": 0.0}
    drafts = INVENTORS["anchors"](studio, make_settings(anchors=within), 2, np.random.default_rng(0))
    assert all((draft.images - draft.images[:1]).abs().max() == 0 for draft in drafts)
    loose = INVENTORS["anchors"](studio, make_settings(), 1, np.random.default_rng(0))
    assert (loose[0].images - loose[0].images[:1]).abs().max() > 0


def test_hardest_goes_up_the_loss(studio: Studio, make_settings: MakeSettings) -> None:
    sharp = replace(studio, classifier=lambda images: 10 * studio.classifier(images))

    def loss(steps: int) -> float:
        settings = make_settings(hardest={"n_way": 3, "steps": steps, "density": 0.0, "learning_rate": 0.5})
        drafts = INVENTORS["hardest"](sharp, settings, 12, np.random.default_rng(1))
        features = embed_images(sharp.classifier, torch.stack([draft.images for draft in drafts]))
        tasks = torch.from_numpy(features).unflatten(0, (4, 3))
        return float(torch.stack([one_shot_loss(task) for task in tasks]).mean())

    assert loss(25) > 1.1 * loss(1)


def test_density_is_high_among_the_parents(studio: Studio) -> None:
    centres, width = density_of(studio)
    apart = np.linalg.norm(centres.numpy()[:, None] - centres.numpy(), axis=2) ** 2
    assert width == pytest.approx(np.where(np.eye(12), np.inf, apart).min(1).mean(), rel=1e-4)
    values = log_density(torch.stack([centres[0], centres[0] + 100]), centres, width)
    assert values[0] > 0 > values[1]


def test_one_shot_loss_is_that_of_a_prototypical_classifier() -> None:
    features = torch.tensor([[[0.0], [0.5], [1.0]], [[2.0], [2.0], [0.0]]])
    wrong = [(0.25, 2.25), (1.0, 1.0), (0.0, 4.0), (4.0, 0.0)]
    expected = np.mean([-np.log(np.exp(-own) / (np.exp(-own) + np.exp(-other))) for own, other in wrong])
    assert one_shot_loss(features).item() == pytest.approx(expected)
