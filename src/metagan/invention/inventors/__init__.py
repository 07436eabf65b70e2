"""Inventors: `INVENTORS[name](studio, settings, count, generator)` gives that many drafts of new classes.

A new inventor is a file here that has the inventor's name, and a word in `metagan.parameters.invent`.
"""

from __future__ import annotations

from importlib import import_module
from typing import get_args

from metagan.invention.inventors.base import Draft, Inventor, Studio
from metagan.parameters.invent import InventorName

INVENTORS: dict[str, Inventor] = {
    name: getattr(import_module(f"{__name__}.{name}"), name) for name in get_args(InventorName)
}

__all__ = ["INVENTORS", "Draft", "Inventor", "Studio"]
