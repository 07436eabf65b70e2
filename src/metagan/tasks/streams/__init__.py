"""Streams of tasks. A new wrapper is a file here that has its name, and a word in `metagan.parameters.stream`."""

from collections.abc import Sequence
from importlib import import_module
from typing import get_args

from metagan.parameters.stream import WrapperName
from metagan.tasks.bank import ClassIndices, TaskBank
from metagan.tasks.streams.base import BankStream, InTurn, TaskStream, Wrapper
from metagan.tasks.streams.looked import Looked
from metagan.tasks.streams.ordered import Ordered

WRAPPERS: dict[str, type[Wrapper]] = {
    name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(WrapperName)
}


def task_stream(bank: TaskBank, seed: int, wrappers: Sequence[str] = (), *parts: ClassIndices) -> TaskStream:
    """The tasks of a bank, or of parts of its classes in turn, in wrappers from the innermost to the outermost.

    Raises UserError for a wrapper that has no meaning for the domain.
    """
    streams = [BankStream(bank, seed, part) for part in parts or [None]]
    return wrapped(InTurn(tuple(streams)) if len(streams) > 1 else streams[0], wrappers)


def wrapped(stream: TaskStream, wrappers: Sequence[str]) -> TaskStream:
    """A stream in wrappers from the innermost to the outermost; raises as `task_stream` does."""
    for name in wrappers:
        stream = WRAPPERS[name](stream)
    return stream


__all__ = ["WRAPPERS", "BankStream", "Looked", "Ordered", "TaskStream", "Wrapper", "task_stream", "wrapped"]
