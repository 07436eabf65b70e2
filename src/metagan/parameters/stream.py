"""What changes the tasks of train classes, and in which order they come. A new wrapper's or order's name goes here; its
file has the same name."""

from __future__ import annotations

from typing import Literal

from metagan.parameters.section import Several

WrapperName = Literal["turned", "jittered"]
Wrappers = Several[WrapperName]
"""From the innermost to the outermost."""

OrderName = Literal["iid", "phases", "drift", "returns"]
LookName = Literal["plain", "inverted", "pale", "turned"]
"""Looks are in `tasks/looks.py`."""
