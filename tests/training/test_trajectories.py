from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from metagan.meta.task_parallel import TaskMap
from metagan.parameters import MetaTrain, Networks
from metagan.tasks.bank import TaskBank
from metagan.tasks.streams import task_stream
from metagan.training.data import generation_tasks
from metagan.training.gan import architecture_of, initial_gan
from metagan.training.trajectories import sample_trajectory


@pytest.mark.parametrize("mode", ["loop", "threads", "vmap"])
def test_samples_after_the_steps_asked_for(bank: TaskBank, make_settings: Callable[..., MetaTrain], mode: str) -> None:
    settings = make_settings()
    gan = initial_gan(architecture_of(bank, settings), settings.inner, 0)
    learner = gan.learner()
    tasks, _ = generation_tasks(task_stream(bank, 0), "val", range(3), 3, 4, 3, Networks(noise_size=4))
    task_map = TaskMap(learner, mode, 2, workers=2)

    every = sample_trajectory(task_map, gan, tasks, (0, 1, 2, 3))
    assert every.shape == (3, 4, 4, 1, 16, 16)
    assert every.min() >= 0
    assert every.max() <= 1
    unadapted = torch.stack([learner.generate(gan.parameters, noise) for noise in tasks["outer_noise"]])
    torch.testing.assert_close(every[:, 0], unadapted)
    assert all(not torch.allclose(every[:, i], every[:, i + 1]) for i in range(3))
    some = sample_trajectory(task_map, gan, tasks, (1, 3))
    torch.testing.assert_close(some, every[:, [1, 3]])
