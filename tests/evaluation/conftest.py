from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from metagan.domains import stored_example
from metagan.tasks.bank import TaskBank
from metagan.tasks.sources.base import ClassRecord


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Many small matrices: threads cost more than they bring, far more on a busy machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def make_bank() -> Callable[..., TaskBank]:
    """Banks in memory: each class a random blocky picture, its images that picture under pixel noise."""

    def make(n_classes: int = 12, n_images: int = 24, size: int = 16) -> TaskBank:
        generator = np.random.default_rng(5)
        pictures = np.kron(generator.integers(40, 216, size=(n_classes, 1, 4, 4)), np.ones((size // 4, size // 4)))
        noise = generator.normal(0, 40, size=(n_classes, n_images, 1, size, size))
        images = (pictures[:, None] + noise).clip(0, 255).astype(np.uint8).reshape(-1, 1, size, size)
        classes = tuple(ClassRecord(f"class {i}", "group", "test", n_images) for i in range(n_classes))
        offsets = np.arange(n_classes + 1) * n_images
        return TaskBank(images, offsets, classes, "pictures", stored_example("image", (1, size, size)), content_hash="")

    return make


@pytest.fixture(scope="session")
def embed() -> Callable[[Tensor], Tensor]:
    """Averages of 4x4 blocks: 16 features of a 16x16 picture."""
    return lambda images: torch.nn.functional.avg_pool2d(images, 4).flatten(1)
