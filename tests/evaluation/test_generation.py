from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains.image import image
from metagan.evaluation.features import embed_images
from metagan.evaluation.frechet import frechet_distance, frechet_joint_distance
from metagan.evaluation.generation import (
    EmbeddedImages,
    GenerationResult,
    RealImages,
    arm_metrics,
    evaluate_generation,
    gap_closed,
)
from metagan.evaluation.recognisability import recognisability
from metagan.evaluation.use import Sampler
from metagan.parameters import Evaluate
from metagan.parameters.evaluate import UseSettings
from metagan.tasks.bank import TaskBank
from metagan.tasks.sampling import generation_task

Embed = Callable[[Tensor], Tensor]
MakeBank = Callable[..., TaskBank]

METRICS = [
    "fid", "fjd", "kid", "precision", "recall", "density", "coverage", "recognisability", "diversity", "memorisation",
    "haze", "two_sample", "two_sample_binarised", "two_sample_neighbours", "two_sample_features", "use",
]  # fmt: skip
SETTINGS = Evaluate(
    n_tasks=24,
    k_shot=4,
    n_query=8,
    steps=(0, 3),
    picture_classes=3,
    nearest_neighbours=3,
    judge_steps=2,
    use=UseSettings(k_shots=(1, 4), samples=4, episodes=2),
)


def noise(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(supports), len(steps), n, *supports.shape[2:], generator=generator)


def imitation(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
    """Noise without a step, afterwards mostly the mean support image."""
    samples = noise(supports, steps, n, seed)
    learned = torch.tensor([0.0 if step == 0 else 0.8 for step in steps])[None, :, None, None, None, None]
    return learned * supports.mean(dim=1)[:, None, None] + (1 - learned) * samples


WITHOUT_ADAPTATION = ["jittered", "copycat", "real"]
ARMS: dict[str, Sampler] = {"adapted": imitation, "scratch": noise, "fine_tuned": noise}


@pytest.fixture(scope="module")
def result(make_bank: MakeBank, embed: Embed) -> GenerationResult:
    return evaluate_generation(make_bank(30), embed, embed, ARMS, SETTINGS, seed=0, progress=False, source="glyphs")


def test_the_table_has_every_key(result: GenerationResult) -> None:
    table = result.table
    expected = {"source": "glyphs", "split": "test", "n_tasks": 24, "k_shot": 4, "n_query": 8, "steps": [0, 3]}
    assert table.items() >= (expected | {"n_way": 20, "n_classes": 24}).items()
    assert list(table["arms"]) == ["adapted", "scratch", "fine_tuned", *WITHOUT_ADAPTATION]
    for name, metrics in table["arms"].items():
        assert list(metrics) == METRICS
        for value in metrics.values():
            assert type(value) is float if name in WITHOUT_ADAPTATION else [type(v) for v in value] == [float, float]
    assert len(table["gap_closed"]) == 2
    assert json.loads(json.dumps(table, allow_nan=False)) == table


def test_the_arms_are_told_apart(result: GenerationResult) -> None:
    arms = result.table["arms"]
    assert arms["copycat"]["memorisation"] == 1.0 > arms["jittered"]["memorisation"]
    assert arms["jittered"]["use"] == result.table["use"]["by_shots"]["4"]["support_jitter"]["mean"]
    assert arms["real"]["memorisation"] == pytest.approx(0.5, abs=0.12)
    assert arms["real"]["recognisability"] > 0.9
    assert arms["real"]["diversity"] == 1.0
    assert arms["scratch"]["recognisability"][1] < 0.3
    for metric in ("fid", "fjd", "kid"):
        assert arms["real"][metric] < arms["adapted"][metric][1] < 0.5 * arms["scratch"][metric][1]
    assert arms["adapted"]["recognisability"][1] > 0.9
    assert arms["adapted"]["diversity"][1] < 0.5


def test_gap_closed_follows_from_the_joint_distances(result: GenerationResult) -> None:
    arms = result.table["arms"]
    for step in (0, 1):
        scratch, adapted, real = arms["scratch"]["fjd"][step], arms["adapted"]["fjd"][step], arms["real"]["fjd"]
        expected = (scratch - adapted) / (scratch - real)
        assert result.table["gap_closed"][step] == pytest.approx(expected, abs=1e-3)
    assert result.table["gap_closed"][0] == 0.0  # the same noise


def test_no_gap_is_no_gain() -> None:
    assert gap_closed(scratch=5.0, adapted=2.0, real=1.0) == 0.75
    assert gap_closed(scratch=1.0, adapted=0.5, real=1.0) == 0.0


def test_pictures_are_the_first_tasks(make_bank: MakeBank, result: GenerationResult) -> None:
    assert {name: array.shape for name, array in result.pictures.items()} == {
        "support": (3, 4, 1, 16, 16),
        "real": (3, 8, 1, 16, 16),
        "adapted": (3, 2, 8, 1, 16, 16),
        "scratch": (3, 2, 8, 1, 16, 16),
        "fine_tuned": (3, 2, 8, 1, 16, 16),
    }
    task = generation_task(make_bank(30), "test", 0, 2, 4, 8)
    assert all(array.dtype == np.uint8 for array in result.pictures.values())
    np.testing.assert_array_equal(result.pictures["support"][2], (task.support * 255).round().numpy())
    np.testing.assert_array_equal(result.pictures["real"][2], (task.query * 255).round().numpy())


def test_pictures_cross_groups_of_tasks(make_bank: MakeBank, embed: Embed) -> None:
    settings = SETTINGS.model_copy(update={"picture_classes": 23})
    result = evaluate_generation(make_bank(30), embed, embed, ARMS, settings, seed=0, progress=False)
    task = generation_task(make_bank(30), "test", 0, 22, 4, 8)
    assert len(result.pictures["adapted"]) == 23
    np.testing.assert_array_equal(result.pictures["support"][22], (task.support * 255).round().numpy())


def test_the_seed_decides_everything(make_bank: MakeBank, embed: Embed, result: GenerationResult) -> None:
    again, other = (
        evaluate_generation(make_bank(30), embed, embed, ARMS, SETTINGS, seed, progress=False, source="glyphs")
        for seed in (0, 1)
    )
    assert again.table == result.table != other.table


def test_samplers_get_groups_of_tasks_and_equal_seeds(make_bank: MakeBank, embed: Embed) -> None:
    calls: dict[str, list[tuple[int, int]]] = {name: [] for name in ARMS}

    def recorded(name: str) -> Sampler:
        def sampler(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
            if n == 8:  # not the samples that classifiers are trained on
                assert steps == (0, 3)
                calls[name].append((len(supports), seed))
            return noise(supports, steps, n, seed)

        return sampler

    arms = {name: recorded(name) for name in ARMS}
    evaluate_generation(make_bank(30), embed, embed, arms, SETTINGS, 0, progress=False)
    assert [size for size, _ in calls["adapted"]] == [20, 4]
    assert calls["adapted"] == calls["scratch"] == calls["fine_tuned"]
    assert len({seed for _, seed in calls["adapted"]}) == 2


def test_two_test_classes_are_enough(make_bank: MakeBank, embed: Embed) -> None:
    result = evaluate_generation(make_bank(2, n_images=150), embed, embed, ARMS, SETTINGS, seed=0, progress=False)
    assert result.table["n_way"] == result.table["n_classes"] == 2
    assert result.table["arms"]["scratch"]["recognisability"][1] == pytest.approx(0.5, abs=0.15)


def test_few_tasks_still_face_twenty_ways(make_bank: MakeBank, embed: Embed) -> None:
    settings = SETTINGS.model_copy(update={"n_tasks": 10})
    result = evaluate_generation(make_bank(25), embed, embed, ARMS, settings, seed=0, progress=False)
    assert (result.table["n_way"], result.table["n_classes"]) == (20, 10)


def test_diverged_samples_are_counted_and_do_not_end_the_run(make_bank: MakeBank, embed: Embed) -> None:
    def diverging(supports: Tensor, steps: tuple[int, ...], n: int, seed: int) -> Tensor:
        samples = noise(supports, steps, n, seed)
        samples[:, 1, : n // 4] = torch.nan
        return samples

    arms = ARMS | {"scratch": diverging}
    result = evaluate_generation(make_bank(30), embed, embed, arms, SETTINGS, 0, progress=False)
    assert result.table["diverged"] == {"adapted": [0.0, 0.0], "scratch": [0.0, 0.25], "fine_tuned": [0.0, 0.0]}
    assert (result.pictures["scratch"][:, 1, :2] == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_query": 1}, "evaluate.n_query must be at least 2"),
        ({"k_shot": 20}, r"k_shot \+ n_query"),
        ({"n_tasks": 4}, "needs more than 16 samples, not 16"),
        ({"n_tasks": 3, "n_query": 20}, "at least 4 different support sets, not 3"),
        ({"nearest_neighbours": 200}, "evaluate.nearest_neighbours"),
        ({"split": "val"}, "val"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_arm_adapts(
    make_bank: MakeBank, embed: Embed, changes: dict[str, object], message: str
) -> None:
    def never(*_: object) -> Tensor:
        raise AssertionError("an arm adapted")

    settings = SETTINGS.model_copy(update=changes)
    with pytest.raises(ValueError, match=message):
        evaluate_generation(make_bank(30), embed, embed, dict.fromkeys(ARMS, never), settings, seed=0, progress=False)


def _embedded(embed: Embed, pixels: Tensor) -> EmbeddedImages:
    features = embed_images(embed, pixels)
    return EmbeddedImages(np.zeros(pixels.shape, np.uint8), features, features)


def test_distances_are_means_over_two_folds(make_bank: MakeBank, embed: Embed) -> None:
    tasks = [generation_task(make_bank(30), "test", 0, index, 4, 8) for index in range(24)]
    support = _embedded(embed, torch.stack([task.support for task in tasks]))
    query = _embedded(embed, torch.stack([task.query for task in tasks]))
    classes = np.array([task.class_index for task in tasks])
    queries = query.features
    samples = np.random.default_rng(0).normal(size=queries.shape)
    made = EmbeddedImages(query.pixels, samples, samples)
    metrics = arm_metrics(made, RealImages(image, support, query, queries, classes), SETTINGS, seed=0)

    conditions = np.repeat(support.features.mean(axis=1), 4, axis=0)
    folds = [
        (samples[:, :4].reshape(-1, 16), queries[:, 4:].reshape(-1, 16)),
        (samples[:, 4:].reshape(-1, 16), queries[:, :4].reshape(-1, 16)),
    ]
    assert metrics["fid"] == pytest.approx(np.mean([frechet_distance(*fold) for fold in folds]))
    assert metrics["fjd"] == pytest.approx(np.mean([frechet_joint_distance(*fold, conditions) for fold in folds]))


def test_real_against_real_is_the_floor_that_perfect_samples_reach(make_bank: MakeBank, embed: Embed) -> None:
    """Other real images of the same classes, as many as there are query images, must score like the real arm."""
    tasks = [generation_task(make_bank(60, n_images=28), "test", 0, index, 4, 24) for index in range(60)]
    support = _embedded(embed, torch.stack([task.support for task in tasks]))
    images = _embedded(embed, torch.stack([task.query for task in tasks]))
    settings = SETTINGS.model_copy(update={"n_tasks": 60, "n_query": 12})
    query, others = images.part(slice(0, 12)), images.part(slice(12, 24))
    real = RealImages(image, support, query, query.features, np.arange(60))
    floor, perfect = (arm_metrics(made, real, settings, seed=0) for made in (query, others))
    for metric in ("fid", "fjd", "density", "coverage", "precision", "recall", "recognisability", "diversity"):
        assert perfect[metric] == pytest.approx(floor[metric], rel=0.1)
    assert perfect["memorisation"] == pytest.approx(floor["memorisation"], abs=0.06)


def test_copies_of_the_support_set_are_recognised_no_better_than_other_real_images() -> None:
    """Images of a class differ so much that an image among its own references would show."""
    generator = np.random.default_rng(1)
    features = generator.normal(size=(60, 1, 16)) + 1.5 * generator.normal(size=(60, 16, 16))
    support, query = (
        EmbeddedImages(part[..., None, None, None], part, part) for part in np.split(features, [4], axis=1)
    )
    settings = SETTINGS.model_copy(update={"n_tasks": 60, "n_query": 12})
    real = RealImages(image, support, query, query.features, np.arange(60))
    copies = support.part(np.arange(12) % 4)
    copycat, floor = (arm_metrics(made, real, settings, seed=0)["recognisability"] for made in (copies, query))
    interval = 1.96 * np.sqrt(floor * (1 - floor) * (1 / (60 * 4) + 1 / (60 * 12)))
    assert 0.1 < floor < 0.5
    assert abs(copycat - floor) < interval
    among_its_own = recognisability(support.features, support.features, np.arange(60), seed=0)
    assert among_its_own > floor + 2 * interval  # what this test is there to find
