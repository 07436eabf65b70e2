"""What changes the tasks of train classes. A new wrapper's name goes here; its file has the same name."""

from __future__ import annotations

from typing import Literal

from metagan.parameters.section import Several

WrapperName = Literal["turned", "jittered"]
Wrappers = Several[WrapperName]
"""From the innermost to the outermost."""
