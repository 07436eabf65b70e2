"""How many threads one operation of torch may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def intra_op_threads(number: int) -> Iterator[None]:
    """Inside, an operation uses so many threads, whichever thread calls it; afterwards as many as before.

    Networks this small gain nothing from more than one where each core has a thread of its own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def single_threads(number: int | None) -> ThreadPoolExecutor:
    """So many threads, or with None one for each core, whose operations use one thread each. To be used inside
    `intra_op_threads(1)`.

    A thread that starts with a product of matrices would have OpenMP make it a team for all cores, and with more
    threads than cores OpenMP lets all teams sleep between operations: small ones then take twice as long, in the whole
    process, until the thread ends.
    """
    return ThreadPoolExecutor(number or os.cpu_count(), "task", torch.set_num_threads, (1,))
