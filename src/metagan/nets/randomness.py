"""The global generator of random numbers, which torch's layers and other libraries draw from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

_GLOBAL = RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generator for one thread at a time, seeded, and afterwards as it was.

    Whatever draws from it belongs inside, building a network too: two threads would mix up each other's numbers.
    """
    # A process that is forked after CUDA has started could not use it.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with _GLOBAL, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
