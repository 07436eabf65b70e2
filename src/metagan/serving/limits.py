"""How much one request may ask for, so that no stranger's request takes a server away from the others."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from metagan.errors import UserError

MOST_BYTES = 2**23
"""Of a request's body."""
MOST_ROWS = 64
MOST_EXAMPLES = 1024
"""Sent and asked for by all rows."""
MOST_NUMBERS_OF_ONE = 2**24
"""Pixels of a picture that is sent, or numbers of a recording."""
MOST_NUMBERS = 2**26
"""Of all that are sent."""
MOST_SECONDS = 30
LONGEST_TOLD = 50
"""Letters of what is refused that a refusal repeats."""

MOST_AT_WORK = 2
"""Requests that a server parses and answers at the same time; the others wait."""
MOST_REQUESTS = 256
"""That a server works at, reads and lets wait."""
MOST_BYTES_HELD = 2**27
"""Of their bodies."""


@dataclass(frozen=True)
class Work:
    """What a row asks for: examples that it sends or wants, and the pixels or the like of those that it sends."""

    examples: int
    numbers: int = 0


def check_range(name: str, value: float, lowest: float, highest: float) -> None:
    """Raise UserError, which starts with `name`, for a value out of range or no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name}: {str(value)[:LONGEST_TOLD]!r} is no number")
    if not lowest <= value <= highest:
        raise UserError(f"{name}: {value} is not in {lowest} to {highest}")


def check_most(name: str, value: int, most: int) -> None:
    """Raise UserError, which starts with `name`, for more than a request may ask for."""
    if value > most:
        raise UserError(f"{name}: {value} are more than the {most} of a request")


def check_work(rows: Iterable[Work]) -> None:
    """Raise UserError, which names the limit, when rows together ask for too much."""
    works = list(rows)
    check_most("examples", sum(work.examples for work in works), MOST_EXAMPLES)
    check_most("numbers", sum(work.numbers for work in works), MOST_NUMBERS)


class Deadline(TorchFunctionMode):
    """Within it, torch's functions raise TimeoutError in this thread once `seconds` are over, but not the one by which
    `no_grad` ends: the thread answers other requests."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.end = seconds, time.monotonic() + seconds

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not torch._C._set_grad_enabled:
            self.check()
        return function(*args, **(kwargs or {}))

    def check(self) -> None:
        """Raise TimeoutError when the time is over."""
        if time.monotonic() > self.end:
            raise TimeoutError(f"seconds: the {self.seconds:g} of a request are over; ask for less")
