"""Kinds of continual training: `KINDS[name]`. A new kind is a file here that has its name, and a word in
`metagan.parameters.continual`."""

from __future__ import annotations

from importlib import import_module
from typing import get_args

from metagan.parameters.continual import KindName
from metagan.training.continual.base import Kind, Memory, Segment

KINDS: dict[str, Kind] = {name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(KindName)}

__all__ = ["KINDS", "Kind", "Memory", "Segment"]
