"""Meta-training learns, in seconds, to draw bars at places that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from metagan.domains import stored_example
from metagan.losses.distances import energy_distance, multi_scale_pixels
from metagan.parameters import MetaTrain, Trainer
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord
from metagan.tasks.streams import task_stream
from metagan.training import meta_training
from metagan.training.data import generation_tasks
from metagan.training.gan import Gan, architecture_of, initial_gan, load_gan
from metagan.training.trajectories import sample_trajectory, sampling_map

SIZE, N_IMAGES, N_TASKS = 16, 12, 10
SPLITS = ["train"] * 16 + ["val"] * 5 + ["test"] * 5
STEPS = (0, 2)


def bars(seed: int) -> TaskBank:
    """A class is an upright or a lying bar at one of 13 places; its images have other ends."""
    generator = np.random.default_rng(seed)
    images = np.zeros((len(SPLITS), N_IMAGES, SIZE, SIZE), np.uint8)
    for number, one_class in zip(generator.permutation(len(SPLITS)), images, strict=True):
        lies, place = divmod(int(number), 13)
        for image in one_class:
            first, last = generator.integers(1, 5), generator.integers(12, 16)
            (image.T if lies else image)[first:last, place + 1 : place + 3] = 255
    classes = tuple(ClassRecord(f"class {index}", "bars", split, N_IMAGES) for index, split in enumerate(SPLITS))
    offsets, example = np.arange(len(SPLITS) + 1) * N_IMAGES, stored_example("image", (1, SIZE, SIZE))
    return TaskBank(images.reshape(-1, 1, SIZE, SIZE), offsets, classes, "bars", example, f"bars {seed}")


def distances(gan: Gan, settings: MetaTrain, bank: TaskBank, seed: int) -> np.ndarray:
    """(len(STEPS),) energy distances of samples to unseen images of test classes: means over tasks and scales."""
    shape = settings.k_shot, settings.n_query, max(STEPS), settings.networks
    tasks, _ = generation_tasks(task_stream(bank, seed), "test", range(N_TASKS), *shape)
    samples = sample_trajectory(sampling_map(gan, settings), gan, tasks, STEPS)

    def distance(made: Tensor, real: Tensor) -> float:
        pairs = zip(multi_scale_pixels(made), multi_scale_pixels(real), strict=True)
        return float(np.mean([energy_distance(*pair).item() for pair in pairs]))

    return np.mean(
        [[distance(made, real) for made in of_task] for of_task, real in zip(samples, tasks["query"], strict=True)], 0
    )


def test_a_meta_trained_gan_draws_classes_that_it_has_not_seen(
    make_settings: Callable[..., MetaTrain], embedders: Any, tmp_path: Path
) -> None:
    """Of four seeds, it came to 0.16 to 0.29 of the distance of the untrained one after as many steps, and to 0.13 to
    0.25 of its own before them. With this seed it is 0.71 where the generator's inner steps go uphill, and 1.42 where
    the outer ones do."""
    bank, seed = bars(0), 0
    settings = make_settings(
        k_shot=4,
        smallest_k_shot=4,
        n_query=6,
        tasks_per_step=4,
        meta_steps=40,
        validate_every=40,
        validation_steps=(2,),
        stream=(),
        learning_rate=0.01,
        rule_learning_rate=0.2,
        first_step_weight=1.0,
        networks={"generator_width": 16, "discriminator_width": 16},
        inner={
            "gan_loss": "hinge",
            "generator_learning_rate": 1.0,
            "discriminator_learning_rate": 0.3,
            "adapt_parameters": "maps|noise|head|bias",
        },
        outer_objective={"pixel_weight": 1.0, "feature_weight": 0.0},
    )
    model, _ = meta_training.meta_train(bank, *embedders, settings, Trainer(), seed, tmp_path, None)
    trained = load_gan(model, "meta_model")
    untrained = initial_gan(architecture_of(bank, settings), settings.inner, seed)
    before, after = (distances(gan, settings, bank, seed) for gan in (untrained, trained))
    assert after[1] < 0.5 * before[1]
    assert after[1] < 0.5 * after[0]  # the steps draw: what they start from knows no task
