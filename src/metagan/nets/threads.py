"""How many threads one operation of torch may use."""

from __future__ import annotations

from collections.abc import Iterator
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
