"""Threads that draw from torch's global generator do not mix up each other's numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import torch

import metagan
from metagan.nets.randomness import seeded


def test_every_thread_draws_the_numbers_of_its_seed() -> None:
    def draw(seed: int) -> list[float]:
        with seeded(seed):
            drawn = [torch.rand(()).item()]
            sleep(0.001)  # another thread's turn
            with seeded(seed + 1):
                drawn.append(torch.rand(()).item())
            return [*drawn, torch.rand(()).item()]

    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draw, range(40))) == [draw(seed) for seed in range(40)]
    assert torch.equal(torch.get_rng_state(), before)
    numbers = torch.rand(2, generator=torch.Generator().manual_seed(7))
    assert draw(7)[::2] == numbers.tolist()


def test_nothing_else_seeds_the_global_generator() -> None:
    package = Path(metagan.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in ("torch.manual_seed(", "fork_rng("))
    }
    assert found == {"nets/randomness.py"}
